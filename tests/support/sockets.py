"""HTTP by hand, for clients that do what no library would."""

import io
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

from .server import Server


class _Reader(io.BufferedReader):
    """Stays open at the end of an answer."""

    def close(self) -> None:
        pass


class Caller:
    """A connection on which a test sends what it likes."""

    def __init__(self, server: Server, *, window: int | None = None, seconds: float = 30) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self.socket = socket.socket()
        if window is not None:
            # How much may come before it is read. The kernel holds it to about that.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(seconds)
        self.socket.connect((host, int(port)))
        # It may hold the beginning of the next answer, so all answers are read from this one.
        self._reader = _Reader(socket.SocketIO(self.socket, "r"))

    def send(self, text: str | bytes) -> "Caller":
        self.socket.sendall(text.encode() if isinstance(text, str) else text)
        return self

    def ask(
        self, method: str, path: str, body: bytes = b"", *, length: int | None = None, **more: str
    ) -> "Caller":
        """Send a head, and a body that may be shorter than the head says."""
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if body or length is not None:
            headers["Content-Length"] = str(len(body) if length is None else length)
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what http.client reads from."""
        return self._reader

    def answer(self, method: str = "GET") -> "Heard":
        response = HTTPResponse(self, method=method)  # type: ignore[arg-type]
        response.begin()
        return Heard(response.status, dict(response.getheaders()), response.read())

    def is_closed(self) -> bool:
        """Say whether the server has closed it. Waits until it has, or something else comes."""
        try:
            return self._reader.peek(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def has_news(self) -> bool:
        """Say whether there is something to read by now."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        finally:
            self.socket.settimeout(30)
        return True

    def close(self) -> None:
        self.socket.close()


class Heard:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def callers(server: Server, count: int, **options: Any) -> Iterator[list[Caller]]:
    """Open so many connections, and close them at the end."""
    opened: list[Caller] = []
    try:
        for _ in range(count):
            opened.append(Caller(server, **options))
        yield opened
    finally:
        for caller in opened:
            caller.close()
