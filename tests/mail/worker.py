"""A worker whose mails are those of the tests: `python -m tests.mail.worker`.

DIE=accepted ends it, as by a power cut, before it notes that a mail was accepted. LEASE says for
how many seconds its leases last.
"""

import os
import signal
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from coupon_management_flask import create_app
from coupon_management_flask.messaging import outbox
from coupon_management_flask.tasks import jobs, thread

from .conftest import TOPICS


def _die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if (
        statement.startswith("UPDATE outbox_messages")
        and "delivered_at=" in statement.partition("WHERE")[0]
    ):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if os.environ.get("DIE") == "accepted":
        sa.event.listen(sa.Engine, "before_cursor_execute", _die)
    outbox.LEASE = timedelta(seconds=float(os.environ.get("LEASE", outbox.LEASE.total_seconds())))
    app = create_app()
    app.extensions["background"] = replace(jobs.BACKGROUND, topics=TOPICS)
    for loop in thread.start(app, threading.Event()):
        loop.join()
