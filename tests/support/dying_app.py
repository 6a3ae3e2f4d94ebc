"""The service on granian, whose workers die on request, as in a power cut.

The header `Die-After` says when the worker dies. With `answer`, everything is committed and nothing
is sent. With the text of a statement, that statement has run and nothing is committed.

`python -m tests.support.dying_app` serves it as `flask serve` serves the service.
"""

import os
import signal
from typing import Any

import sqlalchemy as sa
from flask import has_request_context, request

from coupon_management_flask.db.engines import SERVER_THREADS
from coupon_management_flask.wsgi import app as service


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def app(environ: dict[str, Any], start_response: Any) -> Any:
    answer = service(environ, start_response)
    if environ.get("HTTP_DIE_AFTER") == "answer":
        die()
    return answer


@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def _die_after_the_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    moment = request.headers.get("Die-After") if has_request_context() else None
    if moment is not None and moment in statement:
        die()


def serve() -> None:
    from granian.constants import Interfaces
    from granian.server import Server

    Server(
        "tests.support.dying_app:app",
        address=os.environ["HOST"],
        port=int(os.environ["PORT"]),
        interface=Interfaces.WSGI,
        workers=int(os.environ["WORKERS"]),
        blocking_threads=SERVER_THREADS,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        websockets=False,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    serve()
