"""Users, their credit, and the ledger that explains it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa

from ..core import errors, wallet
from ..db.failures import retried
from ..db.pages import Page, paginate
from ..db.session import db, transaction
from ..identity import accounts, change_log
from ..models import Account, AccountKind, LedgerEntry, Wallet
from .errors import UserNotFound


class Reader(Protocol):
    """Who asks about a user."""

    @property
    def id(self) -> UUID: ...
    @property
    def is_administrator(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class User:
    id: UUID
    username: str
    name: str
    credit: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a user's ledger."""

    id: UUID
    amount: int
    balance_after: int
    reason: str
    reference: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CreditChanged:
    user: User
    entry: Entry


# In the order of the dataclass's fields.
_USERS = (
    sa.select(Account.id, Account.username, Account.name, Wallet.balance)
    .join(Wallet, Wallet.account_id == Account.id)
    .where(Account.kind == AccountKind.USER)
)


def list_users(*, page: int, per_page: int) -> Page:
    """List all users, by registration."""
    found = paginate(_USERS.order_by(Account.id), page, per_page)
    return replace(found, items=[User(*row) for row in found.items])


def find(user_id: UUID) -> User:
    """Find a user.

    Raises: UserNotFound.
    """
    row = db.session.execute(_USERS.where(Account.id == user_id)).one_or_none()
    if row is None:
        raise UserNotFound
    user_id, username, name, credit = row
    assert username is not None, "a user has a username"
    return User(user_id, username, name, credit)


def read_user(user_id: UUID, *, reader: Reader) -> User:
    """Return a user, to the user or to an administrator.

    Raises: UserNotFound, Forbidden.
    """
    user = find(user_id)
    if user_id != reader.id and not reader.is_administrator:
        raise errors.Forbidden
    return user


def create_user(
    *, username: str, password: str, name: str, credit: int, email: str | None = None
) -> User:
    """Create a user with a wallet.

    Raises: UsernameTaken, EmailTaken, and Invalid for a username that would pass for somebody's
    e-mail address.
    """
    with transaction():
        user_id = accounts.create_user(
            username=username, password=password, name=name, email=email, credit=credit
        )
        user = find(user_id)
        change_log.note(
            Account.__tablename__, user_id, after={**change_log.facts_of(user), "email": email}
        )
        return user


def read_ledger(user_id: UUID, *, reader: Reader, page: int, per_page: int) -> Page:
    """List what came into a user's wallet and went out of it, newest first.

    Raises: what `read_user` raises.
    """
    read_user(user_id, reader=reader)
    found = paginate(
        sa.select(
            LedgerEntry.id,
            LedgerEntry.amount,
            LedgerEntry.balance_after,
            LedgerEntry.reason,
            LedgerEntry.reference,
            LedgerEntry.created_at,
        )
        .where(LedgerEntry.account_id == user_id)
        .order_by(LedgerEntry.created_at.desc(), LedgerEntry.id.desc()),
        page,
        per_page,
    )
    return replace(found, items=[Entry(*row) for row in found.items])


@retried
def change_credit(
    user_id: UUID, *, amount: int, reason: str, administrator_id: UUID
) -> CreditChanged:
    """Grant a user credit, or take it where `amount` is negative.

    Raises: UserNotFound, and InsufficientCredit where the credit would go below zero.
    """
    with transaction():
        try:
            written = wallet.change(user_id, amount, reason=reason, reference=administrator_id)
        except errors.NotFound as error:
            raise UserNotFound from error
        entry = Entry(
            id=written.id,
            amount=written.amount,
            balance_after=written.balance_after,
            reason=written.reason,
            reference=written.reference,
            created_at=written.created_at,
        )
        change_log.note(
            Wallet.__tablename__,
            user_id,
            before={"balance": entry.balance_after - entry.amount},
            after={"balance": entry.balance_after, "reason": reason},
        )
        return CreditChanged(find(user_id), entry)
