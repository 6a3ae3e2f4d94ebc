"""How many messages to PostgreSQL a request costs: a proxy counts those that wait for an answer.

One client asks one server, request after request, so that the count is exact.
"""

import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import requests
from sqlalchemy.engine import URL

from .load import Request

# The first requests prepare statements, once for each connection.
WARM_UP = 10
COUNTED = 20

_ENCRYPTION_ASKED = {80877103, 80877104}
# Query, Sync and FunctionCall: a client waits for the answer of each of these and of no other.
_AWAITING_ANSWER = b"QSF"


class Frontend:
    """What a client says to PostgreSQL on one connection, as it comes in."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._has_started = False

    def feed(self, data: bytes) -> int:
        """Read on, and say how many messages that wait for an answer are complete with this."""
        self._unread += data
        awaiting = 0
        while (size := self._size()) is not None and len(self._unread) >= size:
            if self._has_started:
                awaiting += self._unread[0] in _AWAITING_ANSWER
            else:
                # The client may ask for encryption first. It starts anew when that is refused.
                self._has_started = self._number_at(4) not in _ENCRYPTION_ASKED
            del self._unread[:size]
        return awaiting

    def _size(self) -> int | None:
        # All but the first message begin with a letter, which its length does not count.
        letter = 1 if self._has_started else 0
        return letter + self._number_at(letter) if len(self._unread) >= letter + 4 else None

    def _number_at(self, place: int) -> int:
        return int.from_bytes(self._unread[place : place + 4], "big")


class Proxy:
    """A way to PostgreSQL that counts."""

    def __init__(self, postgres: URL) -> None:
        self.postgres = postgres
        self.messages = 0
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    @contextmanager
    def running(self) -> Iterator[URL]:
        """Listen, and hand out the database's URL that leads through here."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._in_background(self._accept, listener)
            try:
                yield self.postgres.set(host="127.0.0.1", port=listener.getsockname()[1])
            finally:
                # Closing alone does not wake the thread that waits for connections.
                listener.shutdown(socket.SHUT_RDWR)
                for connected in self._sockets:
                    connected.close()

    def _in_background(self, work: object, *arguments: object) -> None:
        assert callable(work)
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((self.postgres.host, self.postgres.port))
                for connected in (client, server):
                    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._sockets.append(connected)
                self._in_background(self._pass_on, client, server, Frontend())
                self._in_background(self._pass_on, server, client, None)

    def _pass_on(self, source: socket.socket, to: socket.socket, heard: Frontend | None) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if heard is not None:
                    with self._lock:
                        self.messages += heard.feed(data)
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)


def count(proxy: Proxy, url: str, lines: Sequence[str]) -> float:
    """Send requests one by one to a server behind the proxy, and say what one costs on average.

    Raises: SystemExit where one is refused.
    """
    sent = itertools.cycle(lines)
    with requests.Session() as session:
        for line in itertools.islice(sent, WARM_UP):
            _send(session, url, line)
        before = proxy.messages
        for line in itertools.islice(sent, COUNTED):
            _send(session, url, line)
    return (proxy.messages - before) / COUNTED


def _send(session: requests.Session, url: str, line: str) -> None:
    request = Request.parse(line)
    answer = session.request(
        request.method,
        url + request.path,
        headers=request.headers,
        data=request.body.encode(),
        timeout=60,
    )
    if not answer.ok:
        raise SystemExit(f"{request.method} {request.path} is refused: {answer.text}")
