"""A request as WSGI wants it, built while it comes in."""

from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

from .store import Store

Environ = dict[str, Any]


class BadTarget(Exception):
    """The request's target is none that an application could answer."""


class Request:
    """`environ` is complete, and `body` has all its bytes, once the request is handed over."""

    __slots__ = ("body", "environ", "is_partly_read", "keep_alive")

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.body: Store | None = None
        self.keep_alive = False
        # The client may still be sending: its body was too long to be read.
        self.is_partly_read = False

    def add_header(self, name: bytes, value: bytes) -> None:
        key = environ_key(name)
        if not key:
            return
        text = value.decode("latin-1")
        if key in self.environ:
            text = f"{self.environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        self.environ[key] = text

    def set_target(self, method: bytes, target: bytes) -> None:
        """Split the target into path and query, and keep it as it was sent.

        The path is decoded, so that the target alone tells a `%2F` from a slash.

        Raises: BadTarget.
        """
        path, _, query = target.partition(b"?")
        if not path.startswith(b"/") or b"#" in target:
            path, query = self._parse(target)
        elif b"%" in path:
            path = unquote_to_bytes(path)
        environ = self.environ
        environ["REQUEST_METHOD"] = method.decode("latin-1")
        environ["PATH_INFO"] = path.decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")
        environ["REQUEST_URI"] = target.decode("latin-1")

    def _parse(self, target: bytes) -> tuple[bytes, bytes]:
        """Parse a target that is not just a path, such as `http://host/path` or `*`."""
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError as error:
            raise BadTarget from error
        if url.host:
            # It counts more than the header does.
            port = f":{url.port}" if url.port else ""
            self.environ["HTTP_HOST"] = url.host.decode("latin-1") + port
        return unquote_to_bytes(url.path or b"/"), url.query or b""


@lru_cache(maxsize=500)
def environ_key(name: bytes) -> str:
    """Return a header's key in the environ, or nothing for one that must not get there."""
    # It would get into the place of the header with hyphens, which a proxy may vouch for.
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
