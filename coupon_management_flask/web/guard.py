"""Who is asking, and may it? Token or API key in, the current actor out.

Verifying a signature is arithmetic whose result never changes, so it is cached. Whether the account
and the session still stand can change with every request, so every request asks for that: one
indexed SELECT.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from threading import Lock
from uuid import UUID

import jwt
from cachetools import LRUCache
from flask import Flask, current_app, g, request
from flask.typing import ResponseReturnValue
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from .. import config
from ..core import clock, errors
from ..identity import api_keys, change_log, sessions
from ..identity.roles import PERMISSIONS, Permission
from ..models import AccountKind, Role
from . import idempotency
from .body import LONGEST_TOKEN
from .operations import Guarded, note

CACHED_TOKENS = 10_000

# A text in a path that is longer names nothing, and neither does what is left of it.
LONGEST_NAME = 255

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)

View = Callable[..., ResponseReturnValue]


@dataclass(frozen=True, slots=True)
class Actor:
    """The account behind a request, what it may do, and the session that its token belongs to."""

    id: UUID
    kind: AccountKind
    username: str | None
    name: str
    role: Role
    permissions: frozenset[str]
    session_id: UUID | None = None
    refresh_id: UUID | None = None
    email: str | None = None
    age: int | None = None
    country: str | None = None

    @property
    def is_administrator(self) -> bool:
        return self.role == Role.ADMINISTRATOR

    def refreshing(self) -> tuple[UUID, UUID]:
        """Return the session and the refresh token of an actor who has shown a refresh token."""
        assert self.session_id is not None
        assert self.refresh_id is not None
        return self.session_id, self.refresh_id


def actor() -> Actor:
    return g.actor  # type: ignore[no-any-return]


def guard(
    *,
    kind: str = AccountKind.USER,
    role: str | None = None,
    permission: str | None = None,
    token: tuple[str, ...] = ("access",),
    api_key: bool = False,
    idempotent: bool = True,
) -> Callable[[View], View]:
    """Let a view be called by accounts of this kind that have this role and this permission.

    It checks, in this order: the token (401), role and permission (403), Idempotency-Key on methods
    that change something, ids in the path (400). A body is looked at after all of them.
    With `api_key`, a server's key is as good as a token.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: object, **path: str) -> ResponseReturnValue:
            g.actor = current = _authenticate(kind, token, api_key)
            if (role is not None and current.role != role) or (
                permission is not None and permission not in current.permissions
            ):
                raise errors.Forbidden
            if not idempotent or request.method in ("GET", "HEAD"):
                return view(*args, **_checked(path))
            with _noted(current):
                return idempotency.once(current.id, lambda: view(*args, **_checked(path)))

        how = Guarded(api_key, idempotent, kind, token, role, permission)
        return note(guarded, guarded=how)

    return decorate


def _noted(current: Actor) -> AbstractContextManager[None]:
    """Have the log of changes name whoever manages something."""
    if Permission.MANAGE_COUPONS not in current.permissions:
        return nullcontext()
    return change_log.acting(
        change_log.Acting(current.id, is_server=current.kind == AccountKind.SERVICE)
    )


def _authenticate(kind: str, token_types: tuple[str, ...], api_key: bool) -> Actor:
    if api_key and (key := request.headers.get("X-API-Key")):
        identity, permissions = api_keys.api_key_owner(key)
        return Actor(
            identity.id, identity.kind, identity.username, identity.name, identity.role, permissions
        )
    return actor_of(_bearer(), kind=kind, token=token_types)


def actor_of(
    text: str, *, kind: str = AccountKind.USER, token: tuple[str, ...] = ("access",)
) -> Actor:
    """Return who shows this token, which stands in a header or in a body.

    A refresh token that was spent already ends its family.

    Raises: InvalidToken where it is of another type or kind of account, or no longer stands.
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
        PERMISSIONS[account.role],
        claims.session_id,
        claims.refresh_id,
        account.email,
        account.age,
        account.country,
    )


def signed_refresh_token(text: str) -> sessions.Grant:
    """Return what a refresh token of ours says, whether or not its session still stands.

    Raises: InvalidToken for anything else, and once it has expired.
    """
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


def _checked(path: dict[str, str]) -> dict[str, str | UUID]:
    """Return the path's arguments: UUIDs where the name ends in `id`, else text without a NUL.

    A text that is longer than anything that it could name is cut.

    Raises: Invalid.
    """
    checked: dict[str, str | UUID] = {}
    for name, value in path.items():
        if name.endswith("id"):
            # As it is written everywhere; UUID() alone also takes braces, prefixes and no dashes.
            if not _UUID.fullmatch(value):
                raise errors.Invalid({name: ["Not a valid UUID."]})
            checked[name] = UUID(value)
        elif "\x00" in value:
            raise errors.Invalid({name: ["Null characters are not allowed."]})
        else:
            checked[name] = value[: LONGEST_NAME + 1]
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
    # The signing key is part of the cache's key: an application with another key has not verified
    # the token.
    cache_key = (config.current().secret_key, token)
    with _verified_lock:
        claims = _verified.get(cache_key)
    if claims is None:
        # The signature is looked at last: anybody can make the library read a token.
        if len(token) > LONGEST_TOKEN:
            raise errors.InvalidToken
        claims = _verify(token)
        with _verified_lock:
            _verified[cache_key] = claims
    if claims.expires <= clock.now().timestamp():
        raise errors.InvalidToken
    return claims


# What the libraries raise for a text that is no token of ours, whoever has signed it: its JSON may
# be nested deeply and its numbers infinite.
_NO_TOKEN = (
    jwt.PyJWTError,
    JWTExtendedException,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
)


def _verify(token: str) -> _Claims:
    try:
        claims = decode_token(token)
        is_refresh = claims["type"] == "refresh"
        if type(claims["exp"]) is not int:
            raise errors.InvalidToken
        return _Claims(
            claims["type"],
            _from_text(claims["sub"]),
            _from_text(claims["sid"] if is_refresh else claims["jti"]),
            _from_text(claims["jti"]) if is_refresh else None,
            claims["exp"],
        )
    except _NO_TOKEN as error:
        raise errors.InvalidToken from error


def access_token(grant: sessions.Grant, lifetime: timedelta) -> str:
    """Return a JWT of at most 300 characters: ids in base64url, the session's id as its `jti`."""
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


@dataclass(frozen=True, slots=True)
class TokenPair:
    access: str
    refresh: str


def refresh_lifetime() -> timedelta:
    """Return how long a refresh token lives, and with it a session that is not refreshed."""
    return timedelta(days=config.current().refresh_token_days)


def token_pair(grant: sessions.Grant) -> TokenPair:
    """Return both tokens of a session, with the configured lifetimes."""
    minutes = timedelta(minutes=config.current().access_token_minutes)
    return TokenPair(access_token(grant, minutes), refresh_token(grant, refresh_lifetime()))


def _as_text(value: UUID) -> str:
    return urlsafe_b64encode(value.bytes).rstrip(b"=").decode()


def _from_text(text: str) -> UUID:
    return UUID(bytes=urlsafe_b64decode(text + "=="))


def no_store(view: View) -> View:
    """Let no cache on the way keep the view's answer, which holds tokens."""

    @wraps(view)
    def wrapped(*args: object, **path: str) -> ResponseReturnValue:
        response = current_app.make_response(view(*args, **path))
        response.headers["Cache-Control"] = "no-store"
        return response

    return wrapped


def init_app(app: Flask, settings: config.Settings) -> None:
    app.config.update(
        JWT_SECRET_KEY=settings.secret_key, JWT_ENCODE_NBF=False, JWT_COOKIE_CSRF_PROTECT=False
    )
    JWTManager(app)
