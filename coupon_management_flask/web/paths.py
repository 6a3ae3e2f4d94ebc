"""Names in a path: a slash of a name, which is sent as `%2F`, does not end it.

WSGI hands a path on decoded, where one slash is like the other. So the path is read from the
request's target as it was sent. From then on `PATH_INFO`, and with it `request.path`, is decoded
but for `%2F` and `%25`. The router's converters decode these in what they match.

A server that does not tell the target, or a proxy that decodes it, leaves plain slashes.
`<anything:...>` takes these too.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from flask import Flask
from werkzeug.routing import BaseConverter, UnicodeConverter, ValidationError

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Any], Iterable[bytes]]

_SLASH = re.compile(rb"%2[fF]")


def decoded(path: str) -> str:
    """Return `request.path`, or a part of it, wholly decoded."""
    return path.replace("%2F", "/").replace("%25", "%")


def as_a_key(path: str) -> str:
    """Return what is the same for spellings of one path, and differs for two paths."""
    path = path.rstrip("/")
    # A decoded path begins with a slash, so this is none.
    return f"%2F{path}" if "%2F" in path else decoded(path)


def keep_slashes(environ: Environ) -> None:
    """Have `PATH_INFO` tell the slashes of names from those between names."""
    path: str = environ["PATH_INFO"]
    target: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    if "%" not in target and "%" not in path:
        return
    names = [unquote_to_bytes(part) for part in _SLASH.split(_path_of(target).encode("latin-1"))]
    if b"/".join(names) != path.encode("latin-1"):
        # Something between the server and here has changed the path.
        names = [path.encode("latin-1")]
    escaped = b"%2F".join(name.replace(b"%", b"%25") for name in names)
    environ["PATH_INFO"] = escaped.decode("latin-1")


def _path_of(target: str) -> str:
    if target.startswith("/"):
        return target.partition("?")[0]
    try:
        return urlsplit(target).path
    except ValueError:
        return ""


class Name(UnicodeConverter):
    """A name between two slashes, which may hold others that were sent as `%2F`."""

    def to_python(self, value: str) -> str:
        return decoded(value)

    def to_url(self, value: Any) -> str:
        return quote(str(value), safe="")


class Anything(BaseConverter):
    """A name at the end of a path, whatever slashes it holds.

    One plain slash at its end is the path's, where it makes no difference.
    """

    regex = "(?s:.+)"
    part_isolating = False
    weight = 200

    def to_python(self, value: str) -> str:
        name = decoded(value.removesuffix("/"))
        if not name:
            raise ValidationError
        return name

    def to_url(self, value: Any) -> str:
        return quote(str(value), safe="")


def init_app(app: Flask) -> None:
    app.url_map.converters.update(default=Name, string=Name, anything=Anything)
    wsgi_app: WsgiApp = app.wsgi_app

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        keep_slashes(environ)
        return wsgi_app(environ, start_response)

    app.wsgi_app = answer  # type: ignore[method-assign]
