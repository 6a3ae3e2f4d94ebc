"""Answers that stay the same while the service runs: packed once, and sent only where new."""

import gzip
from hashlib import sha256

from flask import Response, request


class Packed:
    """A body, plain and packed, each with a tag that names it."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self._content_type = content_type
        self._forms = {
            encoding: (form, sha256(form).hexdigest()[:32])
            for encoding, form in (("", body), ("gzip", gzip.compress(body, mtime=0)))
        }

    def answer(self, *, max_age: int) -> Response:
        """Answer the current request, with 304 where it shows the tag of what it has."""
        encoding = "gzip" if request.accept_encodings.quality("gzip") > 0 else ""
        body, tag = self._forms[encoding]
        response = Response(body, content_type=self._content_type)
        if encoding:
            response.content_encoding = encoding
        response.vary.add("Accept-Encoding")
        response.set_etag(tag)
        response.headers["Cache-Control"] = f"public, max-age={max_age}" if max_age else "no-cache"
        response.make_conditional(request)
        return response
