"""The background loops as threads of one process: a server's, so that a server alone is a whole service, or a worker's.

Each topic of the outbox and each periodic job has a loop of its own, so that a mail server that takes its time holds up no webhook.
"""

import threading

import structlog
from flask import Flask

from ..messaging import loop

# Workers of a server are new processes: what they are to know goes through the environment.
ASKED_FOR = "BACKGROUND_THREAD"

log = structlog.get_logger(__name__)


def start(app: Flask, stop: threading.Event | None = None) -> list[threading.Thread]:
    """Runs the loops until `stop` is set or the process ends. What they were doing then is taken up by others when its lease lapses."""
    stop = stop or threading.Event()
    threads = [
        threading.Thread(
            target=_run, args=(app, stop, topic), name=f"background {topic}", daemon=True
        )
        for topic in app.extensions["background"].names()
    ]
    for thread in threads:
        thread.start()
    return threads


def _run(app: Flask, stop: threading.Event, topic: str) -> None:
    while not stop.is_set():
        with app.app_context():
            try:
                loop.run(stop, [topic])
            except Exception:
                # Nobody starts a thread again.
                log.exception("background.failed", topic=topic)
                stop.wait(loop.PAUSE_SECONDS)
