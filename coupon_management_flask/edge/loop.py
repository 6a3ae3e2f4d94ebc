"""The loop of a worker, the threads that it hands requests to, and the end of both."""

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import structlog

from .answer import Answer, Application, ask, environ_of_server
from .connection import Connection
from .limits import CROWDED_IDLE_SECONDS, IDLE_SECONDS, Limits, Rules
from .request import Request
from .sending import Sender
from .store import Budget

log = structlog.get_logger("edge")

TICK_SECONDS = 1
# Connections that the system holds until the loop turns. Without room, a client tries again after
# a second.
BACKLOG = 2048
# What the system may hold of an answer that is not read, twice. It would take megabytes by itself.
SEND_BUFFER_BYTES = 128 * 1024
# A server that is to stop waits this long for what clients have begun to send.
DRAIN_SECONDS = 3


class Edge:
    """What the connections of a worker share."""

    def __init__(
        self, application: Application, rules: Rules, limits: Limits, threads: int
    ) -> None:
        self.rules = rules
        self.limits = limits
        self.budget = Budget(limits.memory, limits.disk)
        self.now = time.monotonic
        self.environ = environ_of_server("", 0)
        self.is_closing = False
        self.idle_seconds = IDLE_SECONDS
        self._application = application
        self._connections: set[Connection] = set()
        self._pool = ThreadPoolExecutor(threads, "request")
        # Many long answers at once must not be what all others wait for.
        self._piece_pool = ThreadPoolExecutor(max(2, threads // 8), "piece")

    async def serve(self, listeners: list[socket.socket], tick: Callable[[], bool]) -> None:
        """Serve until `tick`, which is called every second, says that it is over."""
        self._loop = asyncio.get_running_loop()
        host, port = _name_of(listeners[0])
        self.environ = environ_of_server(host, port)
        for listener in listeners:
            # Connections inherit it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        servers = [
            await self._loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)
            for listener in listeners
        ]
        while tick():
            self._check_all()
            await asyncio.sleep(TICK_SECONDS)
        for server in servers:
            server.close()
        await self._drain()

    async def _drain(self) -> None:
        self.is_closing = True
        deadline = self.now() + DRAIN_SECONDS
        for connection in tuple(self._connections):
            connection.drain(deadline)
        while self._connections:
            self._check_all()
            await asyncio.sleep(TICK_SECONDS / 10)
        self._pool.shutdown()
        self._piece_pool.shutdown()

    def _check_all(self) -> None:
        is_crowded = len(self._connections) > self.limits.connections / 2
        self.idle_seconds = CROWDED_IDLE_SECONDS if is_crowded else IDLE_SECONDS
        now = self.now()
        for connection in tuple(self._connections):
            connection.check(now)

    def add(self, connection: Connection) -> None:
        if len(self._connections) >= self.limits.connections:
            for other in tuple(self._connections):
                other.close_if_idle()
        self._connections.add(connection)

    def remove(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def work_on(self, connection: Connection, request: Request) -> None:
        """Have a thread ask the application."""
        self._pool.submit(self._work_on, connection, request)

    def _work_on(self, connection: Connection, request: Request) -> None:
        answer = None
        try:
            request.environ["wsgi.input"] = request.body.rewind() if request.body else BytesIO()
            answer = ask(self._application, request, lambda: self.is_closing)
        except Exception:
            log.exception("request.failed")
        self._loop.call_soon_threadsafe(connection.answered, request, answer)

    def pull(self, sender: Sender, answer: Answer) -> None:
        """Have a thread make the next piece of an answer."""
        self._piece_pool.submit(self._pull, sender, answer)

    def _pull(self, sender: Sender, answer: Answer) -> None:
        piece = None
        try:
            piece = answer.next_piece()
        except Exception:
            log.exception("request.failed")
        self._loop.call_soon_threadsafe(sender.pulled, answer, piece)

    def close_answer(self, answer: Answer) -> None:
        """Have a thread let go of an answer that nobody takes."""
        self._piece_pool.submit(self._close_answer, answer)

    def _close_answer(self, answer: Answer) -> None:
        try:
            answer.close()
        except Exception:
            log.exception("request.failed")


def _name_of(listener: socket.socket) -> tuple[str, int]:
    name = listener.getsockname()
    return name[:2] if isinstance(name, tuple) else ("localhost", 80)
