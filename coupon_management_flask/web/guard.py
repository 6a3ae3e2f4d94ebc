"""Who is asking, and may it? Token or API key in, the current actor out.

Verifying a signature is arithmetic whose result never changes, so it is cached. Whether the account and the session still stand can change with
every request, so that is asked with every request: one indexed SELECT.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from threading import Lock
from typing import Any
from uuid import UUID

import jwt
from cachetools import LRUCache
from flask import Flask, current_app, g, request
from flask.typing import ResponseReturnValue
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from .. import config
from ..core import clock, errors
from ..identity import accounts, sessions
from . import idempotency
from .body import document

CACHED_TOKENS = 10_000

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Actor:
    """The account behind a request, what it may do, and the session that its token belongs to."""

    id: UUID
    kind: str
    username: str | None
    name: str
    role: str
    permissions: frozenset[str]
    session_id: UUID | None = None
    refresh_id: UUID | None = None
    email: str | None = None
    age: int | None = None
    country: str | None = None

    @property
    def is_administrator(self) -> bool:
        return self.role == "administrator"


def actor() -> Actor:
    return g.actor  # type: ignore[no-any-return]


def guard(
    *,
    kind: str = "user",
    role: str | None = None,
    permission: str | None = None,
    token: tuple[str, ...] = ("access",),
    api_key: bool = False,
    idempotent: bool = True,
) -> Callable[[Callable[..., Any]], Callable[..., ResponseReturnValue]]:
    """Lets a view be called by accounts of this kind that have the role and the permission asked for.

    Checks, in this order: the token (401), role and permission (403), Idempotency-Key on methods that change something, ids in the path (400).
    A body is looked at after all of them. With `api_key`, a server's key is as good as a token.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: Any, **path: Any) -> ResponseReturnValue:
            g.actor = current = _authenticate(kind, token, api_key)
            if (role is not None and current.role != role) or (
                permission is not None and permission not in current.permissions
            ):
                raise errors.Forbidden
            if not idempotent or request.method in ("GET", "HEAD"):
                return view(*args, **_checked(path))  # type: ignore[no-any-return]
            return idempotency.once(current.id, lambda: view(*args, **_checked(path)))

        security: list[Any] = [{"bearer": []}, *([{"apiKey": []}] if api_key else [])]
        statuses = {401, *([403] if role or permission else [])}
        return document(
            guarded,
            "guard",
            lambda _: {"security": security, "statuses": statuses, "idempotent": idempotent},
        )

    return decorate


def _authenticate(kind: str, token_types: tuple[str, ...], api_key: bool) -> Actor:
    if api_key and (key := request.headers.get("X-API-Key")):
        identity, permissions = accounts.api_key_owner(key)
        return Actor(
            identity.id, identity.kind, identity.username, identity.name, identity.role, permissions
        )
    return actor_of(_bearer(), kind=kind, token=token_types)


def actor_of(text: str, *, kind: str = "user", token: tuple[str, ...] = ("access",)) -> Actor:
    """Who shows this token, which stands in a header or in a body. Raises InvalidToken where it is of another type or kind of account, or no longer stands.

    A refresh token that was spent already ends its family.
    """
    claims = _claims(text)
    if claims.type not in token:
        raise errors.InvalidToken
    account = sessions.standing(claims.session_id, claims.account_id)
    if account is None or account.kind != kind:
        raise errors.InvalidToken
    if claims.refresh_id is not None and claims.refresh_id != account.refresh_id:
        # A spent refresh token: somebody has a copy, and nobody can tell who is the thief.
        sessions.revoke(claims.session_id)
        raise errors.InvalidToken
    return Actor(
        account.id,
        account.kind,
        account.username,
        account.name,
        account.role,
        accounts.PERMISSIONS[account.role],
        claims.session_id,
        claims.refresh_id,
        account.email,
        account.age,
        account.country,
    )


def signed_refresh_token(text: str) -> sessions.Grant:
    """What a refresh token of ours says, whether or not its session still stands. Raises InvalidToken for anything else, and once it has expired."""
    claims = _claims(text)
    if claims.type != "refresh":
        raise errors.InvalidToken
    return sessions.Grant(claims.account_id, claims.session_id, claims.refresh_id)


def _bearer() -> str:
    header = request.headers.get("Authorization", "")
    if not header:
        raise errors.NotAuthenticated
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise errors.InvalidToken
    return token.strip()


def _checked(path: dict[str, Any]) -> dict[str, Any]:
    """Path arguments whose name ends in `id` are UUIDs; no text holds a NUL."""
    checked: dict[str, Any] = {}
    for name, value in path.items():
        if name.endswith("id"):
            # As it is written everywhere; UUID() alone also takes braces, prefixes and no dashes.
            if not _UUID.fullmatch(value):
                raise errors.Invalid({name: ["Not a valid UUID."]})
            checked[name] = UUID(value)
        elif "\x00" in value:
            raise errors.Invalid({name: ["Null characters are not allowed."]})
        else:
            checked[name] = value
    return checked


@dataclass(frozen=True, slots=True)
class _Claims:
    type: str
    account_id: UUID
    session_id: UUID
    refresh_id: UUID | None
    expires: int


_verified: LRUCache[tuple[str, str], _Claims] = LRUCache(CACHED_TOKENS)
_verified_lock = Lock()


def _claims(token: str) -> _Claims:
    # The key that signed it belongs to what is remembered: an application with another key has not verified it.
    cache_key = (config.current().secret_key, token)
    with _verified_lock:
        claims = _verified.get(cache_key)
    if claims is None:
        claims = _verify(token)
        with _verified_lock:
            _verified[cache_key] = claims
    if claims.expires <= clock.now().timestamp():
        raise errors.InvalidToken
    return claims


def _verify(token: str) -> _Claims:
    try:
        claims = decode_token(token)
        is_refresh = claims["type"] == "refresh"
        return _Claims(
            claims["type"],
            _from_text(claims["sub"]),
            _from_text(claims["sid"] if is_refresh else claims["jti"]),
            _from_text(claims["jti"]) if is_refresh else None,
            claims["exp"],
        )
    except (jwt.PyJWTError, JWTExtendedException, KeyError, TypeError, ValueError) as error:
        raise errors.InvalidToken from error


def access_token(grant: sessions.Grant, lifetime: timedelta) -> str:
    """A JWT of at most 300 characters: ids in base64url, and its `jti` is the session's id."""
    claims = {"jti": _as_text(grant.session_id)}
    return str(
        create_access_token(
            _as_text(grant.account_id), expires_delta=lifetime, additional_claims=claims
        )
    )


def refresh_token(grant: sessions.Grant, lifetime: timedelta) -> str:
    assert grant.refresh_id is not None
    claims = {"jti": _as_text(grant.refresh_id), "sid": _as_text(grant.session_id)}
    return str(
        create_refresh_token(
            _as_text(grant.account_id), expires_delta=lifetime, additional_claims=claims
        )
    )


def _as_text(value: UUID) -> str:
    return urlsafe_b64encode(value.bytes).rstrip(b"=").decode()


def _from_text(text: str) -> UUID:
    return UUID(bytes=urlsafe_b64decode(text + "=="))


def no_store(view: Callable[..., Any]) -> Callable[..., ResponseReturnValue]:
    """For views whose answer holds tokens: no cache on the way may keep it."""

    @wraps(view)
    def wrapped(*args: Any, **path: Any) -> ResponseReturnValue:
        response = current_app.make_response(view(*args, **path))
        response.headers["Cache-Control"] = "no-store"
        return response

    return wrapped


def init_app(app: Flask, settings: config.Settings) -> None:
    app.config.update(
        JWT_SECRET_KEY=settings.secret_key, JWT_ENCODE_NBF=False, JWT_COOKIE_CSRF_PROTECT=False
    )
    JWTManager(app)
