"""The base of stand-ins for other services: a threaded HTTP server that can cut connections."""

from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any


class StandInServer(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, port: int, handler: type["StandInHandler"], service: Any) -> None:
        """`service` is the object that the handler asks for its answers."""
        self.service = service
        self.open: set[socket] = set()
        super().__init__(("127.0.0.1", port), handler)

    def close_connections(self) -> None:
        for connection in list(self.open):
            # The client may already have closed it.
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that gave up waiting."""


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
        """Keep the access log out of the test's output."""
