"""What the server's edge asks of the application: how long a body may be, and how to refuse.

What the edge refuses itself (a request that is none, is too large or does not come) never reaches
the application. It is answered as the application would: in the contract's body, with a request id
and with what lets a page read it, and it is counted and logged.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Flask
from werkzeug.exceptions import default_exceptions

from . import cors, observability
from .contract import Contracts

_BUSY_SECONDS = 5


class EdgeRules:
    def __init__(self, app: Flask) -> None:
        self._app = app
        self._contracts: Contracts = app.extensions["contracts"]
        self._cross_origin: cors.CrossOrigin = app.extensions["cross_origin"]

    def body_limit(self, path: str) -> int:
        return self._contracts.of(path).body_limit(path)

    def refusal(
        self, environ: Mapping[str, Any], status: int
    ) -> tuple[list[tuple[str, str]], bytes]:
        """Return the headers and the body of an answer that no view is asked for.

        Of the request there is as much as has come.
        """
        path = environ.get("PATH_INFO", "/")
        contract = self._contracts.of(path)
        with self._app.app_context():
            told = contract.render_error(contract.problem(default_exceptions[status]()))
        if isinstance(told, str):
            content_type, body = "text/html; charset=utf-8", told.encode()
        else:
            content_type, body = "application/json", orjson.dumps(told)
        request_id = observability.count_refusal(environ, status)
        headers = [
            ("Content-Type", content_type),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Request-ID", request_id),
            *self._cross_origin.headers({"REQUEST_METHOD": "GET", **environ}, path),
        ]
        if status == 503:
            headers.append(("Retry-After", str(_BUSY_SECONDS)))
        return headers, body


def init_app(app: Flask) -> None:
    app.extensions["edge_rules"] = EdgeRules(app)
