"""The service, whose workers die on request, as in a power cut.

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
from coupon_management_flask.edge.limits import Limits
from coupon_management_flask.edge.server import Server
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
    Server(
        "tests.support.dying_app:app",
        os.environ["HOST"],
        int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        threads=SERVER_THREADS,
        limits=Limits(),
        log_level="CRITICAL",
    ).run()


if __name__ == "__main__":
    serve()
