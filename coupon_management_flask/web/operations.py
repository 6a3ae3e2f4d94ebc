"""What OpenAPI says of an operation beyond its schemas: who may call it, and how it may fail.

Decorators note what they do on the view (`note`). A plugin of apispec, which writes the document,
reads the notes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, TypeVar

import marshmallow as ma
from apispec import BasePlugin
from flask import Flask
from werkzeug.routing import Rule

View = TypeVar("View", bound=Callable[..., Any])

# A variable in a rule: `<code>`, or with a converter `<coupon:coupon_id>`.
VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")

# What OpenAPI describes with: JSON, as its specification has it.
Description = dict[str, Any]

Headers = dict[str, Description]
"""Of an answer."""

NO_STORE: Headers = {
    "Cache-Control": {
        "description": "No cache may keep tokens.",
        "required": True,
        "schema": {"type": "string", "const": "no-store"},
    }
}
_REPLAYED: Headers = {
    "Idempotent-Replayed": {
        "description": "There if this answer was given before.",
        "schema": {"type": "string", "const": "true"},
    }
}
_RETRY_AFTER: Description = {
    "description": "In how many seconds to come back.",
    "schema": {"type": "integer", "minimum": 1},
}
_ERROR_HEADERS: dict[int, Headers] = {
    401: {
        "WWW-Authenticate": {
            "description": "How to authenticate.",
            "required": True,
            "schema": {"type": "string", "const": "Bearer"},
        }
    },
    429: {"Retry-After": {**_RETRY_AFTER, "required": True}},
    503: {"Retry-After": {**_RETRY_AFTER, "required": True}},
}
_IDEMPOTENCY_KEY: Description = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key with the same request gives the first answer again.",
}
# Answers of these kinds are not kept under an Idempotency-Key: the others are successes and
# refusals by business rules.
_NOT_KEPT = {401, 404, 413, 422, 429, 500, 502, 503}


@dataclass(frozen=True, slots=True)
class Guarded:
    """What a guard asks for."""

    api_key: bool
    may_forbid: bool
    idempotent: bool


@dataclass(frozen=True, slots=True)
class Notes:
    """What the decorators of a view have noted."""

    refuses: frozenset[int] = frozenset()
    guarded: Guarded | None = None
    # The rule of the call that this one is another name for.
    original: str = ""


def notes_of(view: Callable[..., object]) -> Notes:
    notes = getattr(view, "notes", None)
    return notes if isinstance(notes, Notes) else Notes()


def note(view: View, **changes: Any) -> View:
    """Note something about a view. functools.wraps hands the notes on to whatever wraps it."""
    view.notes = replace(notes_of(view), **changes)  # type: ignore[attr-defined]
    return view


class ErrorsPlugin(BasePlugin):
    """Adds what follows from a guard, from arguments and from being a route at all."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def path_helper(
        self,
        path: str | None = None,
        operations: dict[str, Description] | None = None,
        parameters: list[Description] | None = None,
        *,
        rule: Rule | None = None,
        **_: object,
    ) -> None:
        """Add to the operations of a path; see apispec."""
        assert rule is not None
        assert operations is not None
        # The blueprint is a `Routes`, whose name its endpoints begin with.
        routes: Any = self._app.blueprints[rule.endpoint.rpartition(".")[0]]
        notes = notes_of(self._app.view_functions[rule.endpoint])
        for method, operation in operations.items():
            _describe(operation, method, notes, routes.error_schema)


def _describe(operation: Description, method: str, notes: Notes, error_schema: ma.Schema) -> None:
    guarded = notes.guarded
    is_idempotent = guarded is not None and guarded.idempotent and method not in ("get", "head")
    responses = operation.setdefault("responses", {})
    statuses = {500, 503} | notes.refuses
    if "requestBody" in operation or is_idempotent:
        statuses.add(413)
    if guarded is not None:
        statuses.add(401)
        if guarded.may_forbid:
            statuses.add(403)
        operation["security"] = [{"bearer": []}, *([{"apiKey": []}] if guarded.api_key else [])]
    if is_idempotent:
        statuses |= {400, 409, 422}
        operation.setdefault("parameters", []).append(dict(_IDEMPOTENCY_KEY))
    # A route that takes arguments refers to a 400 of flask-smorest's own, whose body no contract
    # has.
    statuses |= {status for status, answer in responses.items() if isinstance(answer, str)}
    for status in sorted(statuses):
        if not isinstance(responses.get(status), dict):
            responses[status] = _error(status, error_schema)
    if is_idempotent:
        for status in responses.keys() - _NOT_KEPT:
            responses[status].setdefault("headers", {}).update(_REPLAYED)
        responses[409]["headers"]["Retry-After"] = {
            **_RETRY_AFTER,
            "description": "In how many seconds to come back, where the first request still runs.",
        }


def _error(status: int, schema: ma.Schema) -> Description:
    error: Description = {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": {"schema": schema}},
    }
    if status in _ERROR_HEADERS:
        error["headers"] = dict(_ERROR_HEADERS[status])
    return error
