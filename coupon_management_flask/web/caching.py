"""Answers that are packed, or asked for again only where they have changed.

Neither is done where an answer may hold a token or a code that is somebody's secret: how well it
packs beside what a caller has sent would tell of it (BREACH).
"""

import gzip
from functools import wraps
from hashlib import sha256

from flask import Response, current_app, request
from flask.typing import ResponseReturnValue

from .operations import View

# A list of a usual page is shorter, and packing it costs more than sending it.
LONG = 8 * 1024
# Of what anybody may have, and has again and again.
_LEAST = 1024
# Most of what packing can save, at a third of its price.
_FAST = 3


class Document:
    """What is the same for everybody, and is packed once."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self._content_type = content_type
        self._forms = {
            encoding: (one, sha256(one).hexdigest()[:32])
            for encoding, one in (("", body), ("gzip", gzip.compress(body, mtime=0)))
        }

    def answer(self, cache_control: str) -> Response:
        encoding = "gzip" if _takes_gzip() else ""
        body, tag = self._forms[encoding]
        response = Response(body, content_type=self._content_type)
        if encoding:
            response.content_encoding = encoding
        response.vary.add("Accept-Encoding")
        response.set_etag(tag)
        response.headers["Cache-Control"] = cache_control
        response.make_conditional(request)
        return response


def packed(view: View) -> View:
    """Pack a long answer of the view. It holds no secret."""

    @wraps(view)
    def packing(*args: object, **path: object) -> ResponseReturnValue:
        response = current_app.make_response(view(*args, **path))
        if response.status_code == 200:
            _pack(response, LONG)
        return response

    return packing  # type: ignore[return-value]


def revalidated(view: View) -> View:
    """Let callers keep what the view answers to everybody, and ask whether it has changed."""

    @wraps(view)
    def tagging(*args: object, **path: object) -> ResponseReturnValue:
        response = current_app.make_response(view(*args, **path))
        if response.status_code == 200:
            response.headers["Cache-Control"] = "no-cache"
            # Weak: packed or not, it says the same.
            response.set_etag(sha256(response.get_data()).hexdigest()[:32], weak=True)
            _pack(response, _LEAST)
            response.make_conditional(request)
        return response

    return tagging  # type: ignore[return-value]


def _pack(response: Response, least: int) -> None:
    response.headers.add("Vary", "Accept-Encoding")
    body = response.get_data()
    if len(body) >= least and _takes_gzip():
        response.set_data(gzip.compress(body, _FAST, mtime=0))
        response.content_encoding = "gzip"


def _takes_gzip() -> bool:
    return request.accept_encodings.quality("gzip") > 0
