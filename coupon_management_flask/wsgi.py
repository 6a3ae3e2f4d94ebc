"""What a WSGI server imports: `coupon_management_flask.wsgi:app`."""

import gc
import os
import threading
from multiprocessing.util import Finalize

import structlog
from click import ClickException

from .application import create_app
from .config import ConfigurationError
from .health import start
from .tasks import thread

log = structlog.get_logger(__name__)

try:
    app = create_app()
except ConfigurationError as error:
    raise SystemExit(str(error)) from None

# What is loaded by now stays. A request makes thousands of objects, and hardly any of them is part
# of a cycle: collecting as often as by default cost a tenth of the time.
gc.freeze()
gc.set_threshold(20_000, 20, 50)


def _check_the_start() -> None:
    """Do under another server what `flask serve` does before it starts its workers."""
    with app.app_context():
        try:
            start.check_schema()
        except ClickException as error:
            raise SystemExit(str(error)) from None
        start.warn(works_itself=False)
        if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            log.warning(
                "start.setting",
                setting="PROMETHEUS_MULTIPROC_DIR",
                says="is not set: /metrics counts what one process answers, whichever is asked",
            )
        start.let_go()


def _work_in_the_background() -> None:
    stop = threading.Event()
    loops = thread.start(app, stop)

    def finish() -> None:
        # Finish what is being delivered: cut off, it would be delivered again.
        log.info("background.stopping")
        stop.set()
        for loop in loops:
            loop.join()

    # Some servers' workers are forked by multiprocessing and do not run what atexit holds.
    Finalize(None, finish, exitpriority=0)


# `flask serve` asks for it. Under another server `flask worker` does that work, and where there is
# a broker Celery does.
if not os.environ.get(thread.ASKED_FOR):
    _check_the_start()
elif not app.extensions["settings"].celery_broker_url:
    _work_in_the_background()
