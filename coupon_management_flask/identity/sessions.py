"""Sessions and the refresh families in them.

A token names its session. Whether that still stands is asked with every request.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, errors
from ..db.dialects import table
from ..db.session import db, transaction
from ..db.statements import Prepared
from ..db.types import Moment
from ..models import Account, AccountKind, LoginSession, Role, new_id


class Issuer(StrEnum):
    """Where a session was opened: by which contract, or on the pages under /admin."""

    CREDIT = "credit"
    PROMO = "promo"
    VOUCHER = "voucher"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the tokens of a session say: whose, which session, which refresh token is alive."""

    account_id: UUID
    session_id: UUID
    refresh_id: UUID | None


def open_session(
    account_id: UUID,
    *,
    issued_by: Issuer,
    lifetime: timedelta,
    refreshable: bool = True,
    password_hash: str | None = None,
) -> Grant:
    """Open a session. Without `refreshable` it ends when its access token does.

    `password_hash` is the hash that somebody has just signed in against.

    Raises: WrongCredentials where the stored hash is no longer `password_hash`.
    """
    grant = Grant(account_id, new_id(), new_id() if refreshable else None)
    now = clock.now()
    with transaction():
        if password_hash is not None:
            _check_is_current(account_id, password_hash)
        db.session.execute(
            sa.insert(table(LoginSession)).values(
                id=grant.session_id,
                account_id=account_id,
                issued_by=issued_by,
                refresh_id=grant.refresh_id,
                created_at=now,
                expires_at=now + lifetime,
            )
        )
    return grant


def _check_is_current(account_id: UUID, password_hash: str) -> None:
    """Refuse where the password has changed since it was verified.

    Whoever changes it now waits for this transaction, and then ends the session that it opens.

    Raises: WrongCredentials.
    """
    current = sa.select(Account.id).where(
        Account.id == account_id, Account.password_hash == password_hash
    )
    if db.session.scalar(current.with_for_update(read=True)) is None:
        raise errors.WrongCredentials


def open_only_session(
    account_id: UUID, *, issued_by: Issuer, lifetime: timedelta, password_hash: str | None = None
) -> Grant:
    """Open a session without refresh, and end all that this issuer opened for the account before.

    Of several at once the last one stands: they wait for each other at the account.

    Raises: WrongCredentials where the stored hash is no longer `password_hash`.
    """
    with transaction():
        db.session.execute(sa.select(Account.id).where(Account.id == account_id).with_for_update())
        revoke_all(account_id, issued_by=issued_by)
        return open_session(
            account_id,
            issued_by=issued_by,
            lifetime=lifetime,
            refreshable=False,
            password_hash=password_hash,
        )


def rotate(session_id: UUID, refresh_id: UUID, *, lifetime: timedelta) -> Grant | None:
    """Exchange a refresh token for the next one.

    Returns None where it was not the one that is alive: somebody used it before, and the whole
    family ends. Of two that come at once one wins, and the other ends what it won: nobody can tell
    which of them is the thief.
    """
    now = clock.now()
    new_refresh_id = new_id()
    with transaction():
        account_id = db.session.scalar(
            sa.update(LoginSession)
            .where(
                LoginSession.id == session_id,
                LoginSession.refresh_id == refresh_id,
                LoginSession.revoked_at.is_(None),
                LoginSession.expires_at > now,
            )
            .values(refresh_id=new_refresh_id, expires_at=now + lifetime)
            .returning(LoginSession.account_id),
            execution_options={"synchronize_session": False},
        )
        if account_id is None:
            revoke(session_id)
            return None
    return Grant(account_id, session_id, new_refresh_id)


def revoke(session_id: UUID) -> None:
    """End a session: its access and refresh tokens are dead with the next request."""
    _revoke_where(LoginSession.id == session_id)


def revoke_all(
    account_id: UUID, *, keep: UUID | None = None, issued_by: Issuer | None = None
) -> None:
    """End an account's sessions but `keep`, or only those of one issuer."""
    conditions = [LoginSession.account_id == account_id]
    if keep is not None:
        conditions.append(LoginSession.id != keep)
    if issued_by is not None:
        conditions.append(LoginSession.issued_by == issued_by)
    _revoke_where(*conditions)


def _revoke_where(*conditions: sa.ColumnElement[bool]) -> None:
    with transaction():
        db.session.execute(
            sa.update(LoginSession)
            .where(*conditions, LoginSession.revoked_at.is_(None))
            .values(revoked_at=clock.now()),
            execution_options={"synchronize_session": False},
        )


class Standing(NamedTuple):
    """An account that may act, and the refresh token of its session that is alive."""

    id: UUID
    kind: AccountKind
    username: str | None
    email: str | None
    name: str
    role: Role
    age: int | None
    country: str | None
    refresh_id: UUID | None


_STANDING = Prepared(
    "standing",
    sa.select(
        Account.id,
        Account.kind,
        Account.username,
        Account.email,
        Account.name,
        Account.role,
        Account.age,
        Account.country,
        LoginSession.refresh_id,
    )
    .select_from(LoginSession)
    .join(Account, LoginSession.account_id == Account.id)
    .where(
        LoginSession.id == sa.bindparam("session_id", type_=sa.Uuid),
        LoginSession.revoked_at.is_(None),
        LoginSession.expires_at > sa.bindparam("now", type_=Moment),
        Account.id == sa.bindparam("account_id", type_=sa.Uuid),
        Account.is_active,
    ),
)


def standing(session_id: UUID, account_id: UUID) -> Standing | None:
    """Return the account and its session's refresh token, if both still stand.

    This is the one SELECT that every request with a token costs.
    """
    row = _STANDING.execute(
        {"session_id": session_id, "account_id": account_id, "now": clock.now()}
    ).one_or_none()
    return None if row is None else Standing(*row)
