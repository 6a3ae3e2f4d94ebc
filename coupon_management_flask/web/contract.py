"""A contract: path prefixes, what features add below them, and the body of their errors.

One error handler serves the whole application. It turns whatever was raised into a Problem, finds
the contract by the request's path and lets it render the body. So the router's own 404 and 405 have
the contract's body too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import orjson
import structlog
from flask import Blueprint, Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    SecurityError,
    default_exceptions,
)

from ..core import errors
from ..db.failures import is_unavailable
from .body import Routes

K = TypeVar("K")
V = TypeVar("V")

log = structlog.get_logger(__name__)

# In bytes, unless a contract says more.
MAX_BODY = 1024 * 1024

# The nearest ancestor in this table gives an error its status, unless a contract overrides it.
STATUSES: dict[type[errors.DomainError], int] = {
    errors.DomainError: 400,
    errors.NotAuthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.KeyReused: 422,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
}

MESSAGES = {
    "validation_error": "The request is not valid.",
    "malformed_request": "The request can't be understood.",
    "authentication_required": "Sign in first.",
    "invalid_token": "The token is not valid (any more).",
    "wrong_credentials": "Name and password do not match.",
    "permission_denied": "You may not do this.",
    "account_disabled": "This account is disabled.",
    "not_found": "There is nothing here.",
    "method_not_allowed": "This method is not allowed here.",
    "conflict": "This collides with what is there already.",
    "idempotency_key_in_use": "A request with this Idempotency-Key is still running.",
    "idempotency_key_reused": "This Idempotency-Key belongs to another request.",
    "request_timeout": "The request did not come in time.",
    "body_too_large": "The body is too large.",
    "url_too_long": "The URL is too long.",
    "headers_too_large": "A header is too long.",
    "rate_limited": "Too many tries; come back later.",
    "service_unavailable": "The service can't answer right now; come back later.",
    "internal_error": "Something went wrong on our side.",
}

_HTTP_NAMES = {
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    414: "url_too_long",
    431: "headers_too_large",
    503: "service_unavailable",
}
_HOST_NOT_ALLOWED = "host_not_allowed"

# What the sentences of the API description are about.
_SAMPLE_FACTS = {"currency": "USD", "amount": "50", "most": 5}
_SAMPLE_FIELDS = {"body": ["It must be a JSON object."]}


@dataclass(frozen=True, slots=True)
class Problem:
    """What a client must be told, in no contract's words yet."""

    status: int
    error_code: str
    message: str
    fields: errors.FieldMessages = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def sentence(self) -> str:
        """Return the message, or what is wrong with which field, for bodies of one sentence."""
        return (
            " ".join(f"{name}: {' '.join(words)}" for name, words in self.fields.items())
            or self.message
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What a feature adds to one contract: routes, the paths below which they stand, and errors."""

    contract: str
    blueprints: tuple[Routes, ...]
    prefixes: tuple[str, ...] = ()
    messages: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[type[errors.DomainError], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feature:
    """What a feature hands to the application: its parts of contracts, and pages for people."""

    parts: tuple[Part, ...]
    pages: tuple[Blueprint, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    name: str
    prefixes: tuple[str, ...]
    # What it returns is sent as JSON, or is a page.
    render_error: Callable[[Problem], Mapping[str, object] | str]
    messages: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[type[errors.DomainError], int] = field(default_factory=dict)
    max_body: int = MAX_BODY
    # Paths whose bodies may be larger still, and how large.
    larger_bodies: Mapping[str, int] = field(default_factory=dict)

    def extended(self, parts: Iterable[Part]) -> "Contract":
        """Return the contract with what features add to it."""
        own = [part for part in parts if part.contract == self.name]
        return replace(
            self,
            prefixes=self.prefixes + tuple(prefix for part in own for prefix in part.prefixes),
            messages=_merged(self.messages, *[part.messages for part in own]),
            statuses=_merged(self.statuses, *[part.statuses for part in own]),
        )

    def body_limit(self, path: str) -> int:
        """Return how many bytes a body that is sent to this path may have."""
        return self.larger_bodies.get(path.rstrip("/"), self.max_body)

    def problem(self, error: Exception) -> Problem:
        if isinstance(error, errors.DomainError):
            return self._domain_problem(error)
        if isinstance(error, HTTPException):
            return self._http_problem(error)
        if is_unavailable(error):
            log.error("database.unavailable", error=type(error).__name__)
            return self._domain_problem(errors.Unavailable())
        log.error("request.failed", exc_info=error)
        return Problem(500, "internal_error", self._words("internal_error"))

    def status_of(self, kind: type[errors.DomainError]) -> int:
        """Return the status that errors of this kind are answered with."""
        return next(
            status
            for ancestor in kind.__mro__
            for table in (self.statuses, STATUSES)
            if (status := table.get(ancestor))
        )

    def codes(self) -> set[str]:
        """Return the names of errors that any path of this contract may be answered with."""
        return {*MESSAGES, *self.messages, _HOST_NOT_ALLOWED}

    def sample(self, status: int, code: str) -> Problem:
        """Return an error as a client may be told it, for the API description."""
        fields = _SAMPLE_FIELDS if code == errors.Invalid.name else {}
        return Problem(status, code, self._words(code, _SAMPLE_FACTS), fields)

    def _domain_problem(self, error: errors.DomainError) -> Problem:
        status = self.status_of(type(error))
        headers = (
            {"Retry-After": str(error.facts["retry_after"])} if "retry_after" in error.facts else {}
        )
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        told = error.refusal if isinstance(error, errors.FieldRefused) else error
        words = self._words(told.name, told.facts)
        fields = (
            {error.field: [words]}
            if isinstance(error, errors.FieldRefused)
            else getattr(error, "fields", {})
        )
        return Problem(status, told.name, words, fields, headers)

    def _http_problem(self, error: HTTPException) -> Problem:
        status = error.code or 500
        other = "internal_error" if status >= 500 else "malformed_request"
        name = _HTTP_NAMES.get(status, other)
        headers = (
            {"Allow": ", ".join(sorted(error.valid_methods or ()))}
            if isinstance(error, MethodNotAllowed)
            else {}
        )
        if isinstance(error, SecurityError):
            name = _HOST_NOT_ALLOWED
        return Problem(status, name, self._words(name), headers=headers)

    def _words(self, name: str, facts: Mapping[str, object] | None = None) -> str:
        template = (
            self.messages.get(name)
            or MESSAGES.get(name)
            or name.replace("_", " ").capitalize() + "."
        )
        return template.format(**(facts or {}))


def _merged(*tables: Mapping[K, V]) -> dict[K, V]:
    return {key: value for table in tables for key, value in table.items()}


def _parts(features: Iterable[Feature]) -> list[Part]:
    return [part for feature in features for part in feature.parts]


def blueprints(contracts: Iterable[Contract], features: Iterable[Feature]) -> list[Routes]:
    """Return the routes in the order in which the API description lists them.

    They stand by contract. In a contract those that share a tag stand together, those of the more
    specific path first.
    """
    parts = _parts(features)
    found: list[Routes] = []
    for contract in contracts:
        own = [one for part in parts if part.contract == contract.name for one in part.blueprints]
        by_tag: dict[str, list[Routes]] = {}
        for one in own:
            by_tag.setdefault(one.tag, []).append(one)
        for same in by_tag.values():
            found += sorted(same, key=lambda one: -len(one.url_prefix or ""))
    return found


def pages(features: Iterable[Feature]) -> list[Blueprint]:
    """Return the pages, which no contract describes."""
    return [blueprint for feature in features for blueprint in feature.pages]


def error_response(error: Exception) -> Response:
    """Return the answer that the current request's contract gives to an error."""
    contract = contract_of(request.path)
    problem = contract.problem(error)
    body = contract.render_error(problem)
    response = Response(body, mimetype="text/html") if isinstance(body, str) else jsonify(body)
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


def init_app(
    app: Flask, contracts: Iterable[Contract], features: Iterable[Feature], *, elsewhere: str
) -> None:
    """Answer the contracts' errors in their own bodies.

    A path under none of them is answered as the contract of the name `elsewhere` would.
    """
    parts = _parts(features)
    contracts = [contract.extended(parts) for contract in contracts]
    (other,) = [contract for contract in contracts if contract.name == elsewhere]
    by_prefix = [(prefix, contract) for contract in contracts for prefix in contract.prefixes]
    # Longest first: the more specific prefix wins.
    by_prefix.sort(key=lambda pair: -len(pair[0]))
    app.extensions["contracts"] = app.extensions["edge_rules"] = Contracts(app, by_prefix, other)
    app.register_error_handler(Exception, error_response)


@dataclass(frozen=True, slots=True)
class Contracts:
    """All contracts, for whoever has no request yet: the server's edge asks them too."""

    app: Flask
    by_prefix: list[tuple[str, Contract]]
    elsewhere: Contract

    def of(self, path: str) -> Contract:
        """Return the contract under whose prefix a path is, or the one for paths under none."""
        for prefix, contract in self.by_prefix:
            # Whole segments: /api/users is not under /api/user.
            if path == prefix or path.startswith(prefix + "/"):
                return contract
        return self.elsewhere

    def body_limit(self, path: str) -> int:
        return self.of(path).body_limit(path)

    def refusal(self, path: str, status: int) -> tuple[str, bytes]:
        """Return the content type and the body of an answer that no view is asked for."""
        contract = self.of(path)
        with self.app.app_context():
            body = contract.render_error(contract.problem(default_exceptions[status]()))
        if isinstance(body, str):
            return "text/html; charset=utf-8", body.encode()
        return "application/json", orjson.dumps(body)


def contract_of(path: str) -> Contract:
    contracts: Contracts = current_app.extensions["contracts"]
    return contracts.of(path)
