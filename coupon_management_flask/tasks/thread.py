"""The background loop as a thread of a server's process, so that a server alone is a whole service."""

import threading

import structlog
from flask import Flask

from ..core import background

# Workers of a server are new processes: what they are to know goes through the environment.
ASKED_FOR = "BACKGROUND_THREAD"

log = structlog.get_logger(__name__)


def start(app: Flask) -> None:
    """Runs the loop until the process ends. Whatever it was doing then is taken up by another when its lease lapses."""
    threading.Thread(target=_run, args=(app,), name="background", daemon=True).start()


def _run(app: Flask) -> None:
    pause = threading.Event()
    while True:
        with app.app_context():
            try:
                background.run(threading.Event())
            except Exception:
                # `flask worker` would end and be started again by its supervisor. Nobody starts a thread again.
                log.exception("background.failed")
        pause.wait(background.PAUSE_SECONDS)
