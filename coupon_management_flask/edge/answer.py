"""Calling the application, and what it answers as HTTP/1.1 wants it."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import Any

from .limits import PIECE_BYTES
from .request import Environ, Request

Application = Callable[..., Iterable[bytes]]
Headers = list[tuple[str, str]]


class Answer:
    """An answer: all of it, or its head and the iterator that makes the rest.

    Each step of the iterator may run in another thread, but in the same context: Flask keeps there
    which request it is.
    """

    __slots__ = ("_close", "_context", "_is_chunked", "_pieces", "bytes", "keep_alive")

    def __init__(self, context: Context) -> None:
        self.bytes = b""
        self.keep_alive = False
        self._context = context
        self._is_chunked = False
        self._pieces: Iterator[bytes] | None = None
        self._close: Callable[[], object] | None = None

    @property
    def is_whole(self) -> bool:
        return self._pieces is None

    def next_piece(self) -> bytes:
        """Return what to send next, or nothing where the answer is at its end. Takes a thread."""
        return self._context.run(self._next_piece)

    def _next_piece(self) -> bytes:
        assert self._pieces is not None
        gathered: list[bytes] = []
        size = 0
        for piece in self._pieces:
            gathered.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                break
        whole = b"".join(gathered)
        if not whole:
            self._run_close()
            self._pieces = None
            return b"0\r\n\r\n" if self._is_chunked else b""
        return b"%x\r\n%b\r\n" % (len(whole), whole) if self._is_chunked else whole

    def close(self) -> None:
        """Let go of what the application holds for the rest of the answer. Takes a thread."""
        self._context.run(self._run_close)

    def _run_close(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            close()


def ask(application: Application, request: Request, is_last: Callable[[], bool]) -> Answer:
    """Call the application with a whole request.

    `is_last` is asked once it has answered, and says that the connection is to end with that.
    """
    answer = Answer(Context())
    answer._context.run(_ask, answer, application, request, is_last)
    return answer


def _ask(
    answer: Answer, application: Application, request: Request, is_last: Callable[[], bool]
) -> None:
    started: list[Any] = []

    def start_response(status: str, headers: Headers, *_: object) -> Callable[[bytes], object]:
        started[:] = status, headers
        return _no_write

    iterable = application(request.environ, start_response)
    answer._close = getattr(iterable, "close", None)
    try:
        _begin(answer, iterable, request, *started, is_last=is_last())
    except BaseException:
        answer._run_close()
        raise
    if answer.is_whole:
        answer._run_close()


def _begin(
    answer: Answer,
    iterable: Iterable[bytes],
    request: Request,
    status: str,
    headers: Headers,
    *,
    is_last: bool,
) -> None:
    """Make all of the answer if it says how long it is, or else its head."""
    length = next((value for name, value in headers if name.lower() == "content-length"), None)
    is_bodiless = request.environ["REQUEST_METHOD"] == "HEAD" or status[:3] in ("204", "304")
    is_whole = length is not None or is_bodiless
    is_old = request.environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    # HTTP/1.0 knows no chunks: what has no length ends with the connection.
    answer.keep_alive = request.keep_alive and not is_last and (is_whole or not is_old)
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name}: {value}" for name, value in headers if name.lower() != "content-length"]
    whole = b"" if is_bodiless else b"".join(iterable) if is_whole else None
    if whole is None:
        answer._pieces = iter(iterable)
        answer._is_chunked = not is_old
        if not is_old:
            lines.append("Transfer-Encoding: chunked")
    elif not is_bodiless:
        lines.append(f"Content-Length: {len(whole)}")
    elif length is not None and status[:3] != "204":
        lines.append(f"Content-Length: {length}")
    lines.append(f"Date: {_date(int(time()))}")
    if not answer.keep_alive:
        lines.append("Connection: close")
    elif is_old:
        lines.append("Connection: keep-alive")
    answer.bytes = _head(lines) + (whole or b"")


def _head(lines: list[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _no_write(_piece: bytes) -> object:
    raise NotImplementedError


def refusal(status: int, headers: Headers, body: bytes) -> bytes:
    """Return an answer that the application was not asked for. The connection ends with it."""
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        *(f"{name}: {value}" for name, value in headers),
        f"Content-Length: {len(body)}",
        f"Date: {_date(int(time()))}",
        "Connection: close",
    ]
    return _head(lines) + body


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def environ_of_server(host: str, port: int) -> Environ:
    """Return what is the same for all requests."""
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
