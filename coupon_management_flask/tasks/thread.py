"""The background loops as threads of one process.

The process is a server, so that a server alone is a whole service, or a worker. Each topic of the
outbox and each periodic job has a loop of its own: a slow mail server holds up no webhook. A topic
with lanes has a crew: a slow receiver holds up no other.
"""

import threading

import structlog
from flask import Flask

from ..messaging import crew, loop

# A server's workers are new processes: what they must know goes through the environment.
ASKED_FOR = "BACKGROUND_THREAD"

log = structlog.get_logger(__name__)


def start(app: Flask, stop: threading.Event | None = None) -> list[threading.Thread]:
    """Run the loops until `stop` is set or the process ends.

    Others take up what they were doing then when its lease lapses.
    """
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
    has_lanes = app.extensions["background"].has_lanes(topic)
    while not stop.is_set():
        with app.app_context():
            try:
                if has_lanes:
                    crew.run(app, stop, topic)
                else:
                    loop.run(stop, [topic])
            except Exception:
                # Nobody would start the thread again.
                log.exception("background.failed", topic=topic)
                stop.wait(loop.PAUSE_SECONDS)
