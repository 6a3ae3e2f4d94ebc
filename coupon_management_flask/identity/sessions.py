"""Sessions and the refresh families in them. A token names its session; whether that still stands is asked with every request."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, errors
from ..db.session import AnyRow, db, transaction
from ..db.statements import Prepared
from ..db.types import Moment
from ..models import Account, LoginSession, new_id

_sessions: Any = LoginSession.__table__
_accounts: Any = Account.__table__


@dataclass(frozen=True, slots=True)
class Grant:
    """What the tokens of a session say: whose, which session, and which refresh token is the live one."""

    account_id: UUID
    session_id: UUID
    refresh_id: UUID | None


def open_session(
    account_id: UUID,
    *,
    issued_by: str,
    lifetime: timedelta,
    refreshable: bool = True,
    password_hash: str | None = None,
) -> Grant:
    """A new session; without `refreshable` it ends when its access token does.

    With `password_hash`, what was signed in with: raises WrongCredentials where that is no longer the password.
    """
    grant = Grant(account_id, new_id(), new_id() if refreshable else None)
    now = clock.now()
    with transaction():
        if password_hash is not None:
            _still(account_id, password_hash)
        db.session.execute(
            sa.insert(_sessions).values(
                id=grant.session_id,
                account_id=account_id,
                issued_by=issued_by,
                refresh_id=grant.refresh_id,
                created_at=now,
                expires_at=now + lifetime,
            )
        )
    return grant


def _still(account_id: UUID, password_hash: str) -> None:
    """Raises WrongCredentials where the password has changed since it was looked at. Whoever changes it now waits for us, and then ends what we open."""
    is_still = sa.select(_accounts.c.id).where(
        _accounts.c.id == account_id, _accounts.c.password_hash == password_hash
    )
    if db.session.scalar(is_still.with_for_update(read=True)) is None:
        raise errors.WrongCredentials


def open_only_session(
    account_id: UUID, *, issued_by: str, lifetime: timedelta, password_hash: str | None = None
) -> Grant:
    """A new session, without refresh, that ends all which this contract opened for the account before. `password_hash` as in `open_session`.

    Of several at once the last one stands: they wait for each other at the account.
    """
    with transaction():
        db.session.execute(
            sa.select(_accounts.c.id).where(_accounts.c.id == account_id).with_for_update()
        )
        revoke_all(account_id, issued_by=issued_by)
        return open_session(
            account_id,
            issued_by=issued_by,
            lifetime=lifetime,
            refreshable=False,
            password_hash=password_hash,
        )


def rotate(session_id: UUID, refresh_id: UUID, *, lifetime: timedelta) -> Grant | None:
    """Exchanges a refresh token for the next one. None where it was not the live one: somebody used it before, and the whole family ends.

    Of two that come at once one wins, and the other ends what it won: nobody can tell which of them is the thief.
    """
    now = clock.now()
    new_refresh_id = new_id()
    with transaction():
        account_id = db.session.scalar(
            sa.update(_sessions)
            .where(
                _sessions.c.id == session_id,
                _sessions.c.refresh_id == refresh_id,
                _sessions.c.revoked_at.is_(None),
                _sessions.c.expires_at > now,
            )
            .values(refresh_id=new_refresh_id, expires_at=now + lifetime)
            .returning(_sessions.c.account_id)
        )
        if account_id is None:
            revoke(session_id)
            return None
    return Grant(account_id, session_id, new_refresh_id)


def revoke(session_id: UUID) -> None:
    """Ends a session: its access and refresh tokens are dead with the next request."""
    _revoke_where(_sessions.c.id == session_id)


def revoke_all(account_id: UUID, *, keep: UUID | None = None, issued_by: str | None = None) -> None:
    """Ends an account's sessions, but `keep`; with `issued_by` only those that this contract opened."""
    _revoke_where(
        _sessions.c.account_id == account_id,
        *([] if keep is None else [_sessions.c.id != keep]),
        *([] if issued_by is None else [_sessions.c.issued_by == issued_by]),
    )


def _revoke_where(*conditions: sa.ColumnElement[bool]) -> None:
    with transaction():
        db.session.execute(
            sa.update(_sessions)
            .where(*conditions, _sessions.c.revoked_at.is_(None))
            .values(revoked_at=clock.now())
        )


_STANDING = Prepared(
    "standing",
    sa.select(
        *(
            _accounts.c[name]
            for name in ("id", "kind", "username", "email", "name", "role", "age", "country")
        ),
        _sessions.c.refresh_id,
    )
    .select_from(_sessions.join(_accounts, _sessions.c.account_id == _accounts.c.id))
    .where(
        _sessions.c.id == sa.bindparam("session_id", type_=sa.Uuid),
        _sessions.c.revoked_at.is_(None),
        _sessions.c.expires_at > sa.bindparam("now", type_=Moment),
        _accounts.c.id == sa.bindparam("account_id", type_=sa.Uuid),
        _accounts.c.is_active,
    ),
)


def standing(session_id: UUID, account_id: UUID) -> AnyRow | None:
    """The account (id, kind, username, email, name, role, age, country) and its session's live refresh_id, if both still stand.

    The one SELECT that every request with a token costs.
    """
    return _STANDING.execute(  # type: ignore[no-any-return]
        {"session_id": session_id, "account_id": account_id, "now": clock.now()}
    ).one_or_none()
