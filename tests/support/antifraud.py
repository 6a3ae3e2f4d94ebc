"""A stand-in for the antifraud service, over real HTTP on a free loopback port.

It records what it is asked and answers as the test says.
"""

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .ports import free_port
from .stand_in import StandInHandler, StandInServer
from .waiting import wait_until


@dataclass(frozen=True)
class Question:
    method: str
    path: str
    content_type: str | None
    body: Any

    @property
    def email(self) -> str:
        return str(self.body["user_email"])


@dataclass(frozen=True)
class Reply:
    """An answer. If `body` is in pieces, each is sent when it comes.

    A `cut` answer announces its full length and ends before it.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


# Read the question, then close the connection.
NO_ANSWER = Reply(status=0)


def verdict(ok: object, cache_until: object = None, status: int = 200) -> Reply:
    body = {"ok": ok} if cache_until is None else {"ok": ok, "cache_until": cache_until}
    return Reply(status, json.dumps(body).encode())


YES, NO, BROKEN = verdict(True), verdict(False), Reply(status=500)


@dataclass
class Held:
    """Questions whose answers are held back."""

    questions: list[Question] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.questions) >= count, f"{count} questions are asked")


class AntifraudService:
    """Says yes unless it is told otherwise.

    It answers from `replies_about` for that user, else with the next of `next_replies`, else with
    `reply`.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.questions: list[Question] = []
        self.reply = YES
        self.replies_about: dict[str, Reply] = {}
        self._next: deque[Reply] = deque()
        self._holds: dict[str | None, Held] = {}
        self._lock = threading.Lock()
        self._server: StandInServer | None = None

    def forget(self) -> None:
        """Return to the beginning: nothing asked, and the answer is yes."""
        self.questions.clear()
        self._next.clear()
        self.replies_about.clear()
        self.reply = YES
        if self._server is None:
            self.start()

    def next_replies(self, *replies: Reply) -> None:
        self._next.extend(replies)

    def asked_about(self, email: str) -> int:
        return sum(question.email == email for question in self.questions)

    @contextmanager
    def holding(self, email: str | None = None) -> Iterator[Held]:
        """Hold back the answers until the block ends: those about that user, or all of them.

        An answer is chosen when it is released.
        """
        held = self._holds[email] = Held()
        try:
            yield held
        finally:
            del self._holds[email]
            held.released.set()

    def start(self) -> None:
        self._server = StandInServer(self.port, _Handler, self)
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def stop(self) -> None:
        """Refuse new connections and cut the open ones."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.close_connections()
            self._server = None

    def take(self, question: Question) -> Reply:
        """Record a question and return its reply as soon as that may be sent."""
        email = question.body.get("user_email") if isinstance(question.body, dict) else None
        with self._lock:
            self.questions.append(question)
            held = self._holds.get(email) or self._holds.get(None)
            if held is not None:
                held.questions.append(question)
        if held is not None:
            held.released.wait()
        with self._lock:
            return self.replies_about.get(email) or (
                self._next.popleft() if self._next else self.reply
            )


class _Handler(StandInHandler):
    def answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw
        reply = self.server.service.take(
            Question(self.command, self.path, self.headers.get("Content-Type"), body)
        )
        if reply == NO_ANSWER:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        pieces = [reply.body] if isinstance(reply.body, bytes) else reply.body
        if isinstance(reply.body, bytes):
            self.send_header("Content-Length", str(len(reply.body) + reply.cut))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
        self.close_connection = self.close_connection or reply.cut

    do_GET = do_POST = do_PUT = answer


@contextmanager
def running_antifraud() -> Iterator[AntifraudService]:
    service = AntifraudService()
    service.start()
    try:
        yield service
    finally:
        service.stop()
