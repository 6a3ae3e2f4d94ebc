"""The least that the server can do: a WSGI application without a framework.

What the contract's answers cost is measured against it.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

from coupon_management_flask.db.engines import SERVER_THREADS
from coupon_management_flask.edge.limits import Limits
from coupon_management_flask.edge.server import Server


def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "15")])
    return [b'{"status":"ok"}']


if __name__ == "__main__":
    Server(
        "benchmarks.bare:app",
        os.environ["HOST"],
        int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        threads=SERVER_THREADS,
        limits=Limits(),
        log_level="WARNING",
    ).run()
