"""What the stand-ins of other services are made of: an HTTP server of threads on a loopback port whose connections can be cut."""

from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any


class StandInServer(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, port: int, handler: type["StandInHandler"], service: Any) -> None:
        """`service` is what the handler asks for its answers."""
        self.service = service
        self.open: set[socket] = set()
        super().__init__(("127.0.0.1", port), handler)

    def close_connections(self) -> None:
        for connection in list(self.open):
            # It may have gone by itself.
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up waiting is no error of ours."""


class StandInHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandInServer

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the test's output is not its place."""
