"""A receiver of webhooks: real HTTP on a free loopback port.

It records what it receives and answers as the test says.
"""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from .ports import free_port
from .waiting import wait_until


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """Return the payload.

        Raises if the signature does not match the secret, or if the timestamp is minutes off.
        """
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Accepts everything unless it is told otherwise.

    It answers `status` with `headers`, or sends `drip` again and again, for ever.
    """

    port: int
    scheme: str = "http"
    received: list[Received] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip: bytes = b""
    _answers: threading.Event = field(default_factory=threading.Event)
    _ends: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._answers.set()
        self._ends.set()

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}/hook?shop=1"

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Leave requests unanswered until the block ends."""
        self._answers.clear()
        try:
            yield
        finally:
            self._answers.set()

    @contextmanager
    def unfinished(self) -> Iterator[None]:
        """Send only the head of an answer until the block ends, and nothing of its body."""
        self._ends.clear()
        try:
            yield
        finally:
            self._ends.set()

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.received) >= count, f"{count} messages are received")

    def end(self) -> None:
        self._ends.wait()

    def take(self, received: Received) -> None:
        self.received.append(received)
        self._answers.wait()


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", receiver.port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that gave up waiting."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.take(
            Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        )
        while receiver.drip and not self.server.stopping.wait(0.01):
            self.wfile.write(receiver.drip)
        self.send_response(receiver.status)
        for name, value in receiver.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        receiver.end()

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the access log out of the test's output."""


@contextmanager
def running_receiver(
    tls: ssl.SSLContext | None = None, port: int | None = None
) -> Iterator[Receiver]:
    receiver = Receiver(port or free_port(), "http" if tls is None else "https")
    server = _Server(receiver)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield receiver
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
