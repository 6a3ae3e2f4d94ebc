"""What OpenAPI says of an operation beyond its schemas.

That is its name, who may call it, how it may fail, and examples. A plugin of apispec, which writes
the document, works it out from the notes of the view and the feature's table (`web/operations.py`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apispec import BasePlugin
from flask import Flask
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import Rule

from ..core import errors
from ..models import AccountKind, Role
from .contract import Contract, Contracts, Problem
from .operations import Described, Description, Guarded, Headers, Notes, notes_of

# Schemes of authentication, by what a guard asks for.
SECURITY_SCHEMES: dict[str, Description] = {
    "userToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a user, from any call that signs a user in.",
    },
    "companyToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The token of a company, from `/api/business/auth/sign-in`.",
    },
    "refreshToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The refresh token from `/v1/auth/login` or the last refresh.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The key of a server, made by `flask api-keys create`.",
    },
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
_WHILE_RUNNING: Description = {
    **_RETRY_AFTER,
    "description": "In how many seconds to come back, where the first request still runs.",
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

# What a status means where nothing is told of it.
_PLAIN = {
    400: errors.Invalid.name,
    401: errors.NotAuthenticated.name,
    403: errors.Forbidden.name,
    404: errors.NotFound.name,
    409: errors.Conflict.name,
    413: "body_too_large",
    429: errors.RateLimited.name,
    500: "internal_error",
    503: errors.Unavailable.name,
}
# When an example of a time has to be the same in each worker.
_AT = "2026-01-01T12:00:00Z"


@dataclass(slots=True)
class Place:
    """Where an operation stands in the document, and what is known of it."""

    path: str
    method: str
    operation: Description
    described: Described


class OperationsPlugin(BasePlugin):
    """Describes operations, and remembers where each stands in the document."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._named: dict[str, tuple[object, str]] = {}
        self.places: list[Place] = []
        # The contract of each kind of error body, and the error_codes of each contract.
        self.error_bodies: dict[str, str] = {}
        self.codes: dict[str, set[str]] = defaultdict(set)

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
        assert path is not None
        assert operations is not None
        # The blueprint is a `Routes`, whose name its endpoints begin with.
        routes: Any = self._app.blueprints[rule.endpoint.rpartition(".")[0]]
        contracts: Contracts = self._app.extensions["contracts"]
        view = self._app.view_functions[rule.endpoint]
        described = routes.described.get(view.__name__, Described())
        notes = notes_of(view)
        # Of a view with both, POST has the name and GET is its other way.
        for method in sorted(operations, reverse=True):
            operation = operations[method]
            self.places.append(Place(path, method, operation, described))
            operation["operationId"] = self._name(view, described, method, path)
            operation["description"] = _text(operation, notes.guarded, described)
            operation["security"] = _security(notes.guarded)
            answers = _Answers(contracts.of(path), routes.error_schema, notes, described)
            answers.describe(operation, method, has_variables=bool(rule.arguments))
            contract = answers.contract
            schema_name = type(routes.error_schema).__name__.removesuffix("Schema")
            self.error_bodies[schema_name] = contract.name
            self.codes[contract.name] |= answers.codes | contract.codes()

    def _name(
        self, view: Callable[..., object], described: Described, method: str, path: str
    ) -> str:
        """Return a name for an operation: the view's, or that of another way to the same view."""
        name = described.name or view.__name__
        if name in self._named and self._named[name][0] is not view:
            # Rather a clumsy name than none. A test asks for a better one.
            name += f"_of_{view.__module__.replace('.', '_')}"
        if name in self._named:
            _, first = self._named[name]
            beside = [part for part in path.split("/") if part not in first.split("/")]
            name += f"_under_{'_'.join(beside).replace('-', '_')}" if beside else f"_by_{method}"
        self._named[name] = view, path
        return name


def _text(operation: Description, guarded: Guarded | None, described: Described) -> str:
    """Return the description: what the view says, what its table adds, and who may call it."""
    said = [operation.get("description") or f"{operation.get('summary', '')}."]
    needs = described.needs and f"The example needs {described.needs}."
    return "\n\n".join(filter(None, (*said, described.more, _who(guarded), needs)))


def _who(guarded: Guarded | None) -> str:
    if guarded is None:
        return "Anybody may call it."
    if guarded.kind == AccountKind.COMPANY:
        return "For companies."
    if guarded.tokens == ("refresh",):
        return "For users, by their refresh token."
    if guarded.role == Role.ADMINISTRATOR:
        return "For administrators."
    if guarded.permission:
        servers = " and servers whose API key has it" if guarded.api_key else ""
        return f"For users who have the permission `{guarded.permission}`{servers}."
    return "For users."


def _security(guarded: Guarded | None) -> list[Description]:
    if guarded is None:
        return []
    schemes = []
    if "access" in guarded.tokens:
        is_company = guarded.kind == AccountKind.COMPANY
        schemes.append("companyToken" if is_company else "userToken")
    if "refresh" in guarded.tokens:
        schemes.append("refreshToken")
    if guarded.api_key:
        schemes.append("apiKey")
    return [{scheme: []} for scheme in schemes]


@dataclass(slots=True)
class _Answers:
    """The errors of an operation, by status."""

    contract: Contract
    error_schema: Any
    notes: Notes
    described: Described
    codes: set[str] = field(default_factory=set)

    def describe(self, operation: Description, method: str, *, has_variables: bool) -> None:
        guarded = self.notes.guarded
        responses = operation.setdefault("responses", {})
        is_idempotent = guarded is not None and guarded.idempotent and method not in ("get", "head")
        found = self._codes(operation, is_idempotent, has_variables)
        for status in sorted(found):
            if not isinstance(responses.get(status), dict):
                responses[status] = self._answer(status, found[status])
        self.codes = {code for codes in found.values() for code in codes}
        if is_idempotent:
            operation.setdefault("parameters", []).append(dict(_IDEMPOTENCY_KEY))
            for status in responses.keys() - _NOT_KEPT:
                responses[status].setdefault("headers", {}).update(_REPLAYED)
            responses[409]["headers"]["Retry-After"] = dict(_WHILE_RUNNING)

    def _codes(
        self, operation: Description, is_idempotent: bool, has_variables: bool
    ) -> dict[int, dict[str, None]]:
        """Return the error_codes of each status, in the order in which they are checked."""
        guarded, found = self.notes.guarded, defaultdict[int, dict[str, None]](dict)

        def add(*kinds: type[errors.DomainError]) -> None:
            for kind in kinds:
                found[self.contract.status_of(kind)][kind.name] = None

        if guarded is not None:
            add(errors.NotAuthenticated, errors.InvalidToken)
            if guarded.may_forbid:
                add(errors.Forbidden)
        body = operation.get("requestBody", {}).get("content", {})
        if "application/json" in body:
            found[400]["malformed_request"] = None
        if body or operation.get("parameters") or has_variables or is_idempotent:
            add(errors.Invalid)
        if body or is_idempotent:
            found[413][_PLAIN[413]] = None
        if is_idempotent:
            add(errors.RequestInProgress, errors.KeyReused)
        add(*self.described.refuses)
        for kind in self.described.refuses_field:
            found[400][kind.name] = None
        for status in {*self.notes.refuses, 500, 503}:
            # What every call like it may refuse comes before what this one does.
            plain = _PLAIN.get(status)
            if plain is not None and (not found[status] or status in (429, 503)):
                found[status] = {plain: None, **found[status]}
        return found

    def _answer(self, status: int, codes: Iterable[str]) -> Description:
        problems = [self.contract.sample(status, code) for code in codes]
        told = "".join(f"\n- `{problem.error_code}`: {problem.message}" for problem in problems)
        content: Description = {
            "schema": self.error_schema,
            "examples": {
                problem.error_code: {"value": _steady(self._body(problem))} for problem in problems
            },
        }
        answer: Description = {
            "description": f"{HTTP_STATUS_CODES[status]}\n{told}",
            "x-error-codes": [problem.error_code for problem in problems],
            "content": {"application/json": content},
        }
        if status in _ERROR_HEADERS:
            answer["headers"] = dict(_ERROR_HEADERS[status])
        return answer

    def _body(self, problem: Problem) -> Mapping[str, object]:
        body = self.contract.render_error(problem)
        assert not isinstance(body, str)
        return body


def _steady(body: Mapping[str, object]) -> dict[str, object]:
    return {name: _AT if name == "timestamp" else value for name, value in body.items()}
