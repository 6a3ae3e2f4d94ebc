"""The threads of one process that deliver the messages of a topic with lanes side by side."""

import threading
from concurrent.futures import ThreadPoolExecutor

import structlog
from flask import Flask

from ..db.failures import is_unavailable
from ..db.session import db
from . import loop, outbox

log = structlog.get_logger(__name__)


class Crew:
    """Hands out what is due. It starts a thread only when all that it has are busy."""

    def __init__(self, app: Flask, name: str, stop: threading.Event) -> None:
        self._app, self._name, self._stop = app, name, stop
        at_once = app.extensions["background"].topics[name].at_once
        self._free = threading.BoundedSemaphore(at_once)
        self._is_freed = threading.Event()
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix=f"background {name}")

    def hand_out(self) -> int:
        """Hand out what is due while a thread is free; return how many messages."""
        topics = {self._name: loop.current().topics[self._name]}
        handed = 0
        while not self._stop.is_set() and self._free.acquire(blocking=False):
            message = None
            try:
                message = outbox.take(topics)
            finally:
                if message is None:
                    self._free.release()
            if message is None:
                break
            self._pool.submit(self._deliver, message)
            handed += 1
        return handed

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a thread is free again."""
        self._is_freed.wait(seconds)
        self._is_freed.clear()

    def close(self) -> None:
        """Wait until all that was handed out is delivered."""
        self._pool.shutdown()

    def _deliver(self, message: outbox.Leased) -> None:
        try:
            with self._app.app_context():
                try:
                    outbox.deliver(message, loop.current().topics[self._name])
                finally:
                    db.session.remove()
        except Exception:
            # Its lease lapses, and it is delivered again.
            log.exception("background.failed", topic=self._name)
        finally:
            self._free.release()
            self._is_freed.set()


def run(app: Flask, stop: threading.Event, name: str) -> None:
    """Deliver what becomes due of this topic until `stop` is set, and finish what was begun.

    While the database is away the crew waits for it.
    """
    crew = Crew(app, name, stop)
    try:
        while not stop.is_set():
            try:
                handed = crew.hand_out()
            except Exception as error:
                if not is_unavailable(error):
                    raise
                log.warning("worker.database_unavailable")
                handed = 0
            finally:
                db.session.remove()
            if not handed:
                crew.wait(loop.PAUSE_SECONDS)
    finally:
        crew.close()
