"""Use cases of a user's account in the voucher contract: the profile and a new password."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from ..core import errors
from ..db.session import db, transaction
from ..identity import accounts, credentials, sessions
from ..models import Account, Role, Wallet
from . import sign_up
from .sign_in import SessionTerms


@dataclass(frozen=True, slots=True)
class Profile:
    account: Account
    credit: int

    @property
    def full_name(self) -> str:
        return f"{self.account.name} {self.account.surname}".strip()

    @property
    def is_superuser(self) -> bool:
        return self.account.role is Role.ADMINISTRATOR

    # There are no administrators of a lesser kind.
    is_staff = is_superuser


@contextmanager
def _names_are_free() -> Iterator[None]:
    """Report a name that is taken as this contract does: as a wrong field like any other."""
    try:
        yield
    except accounts.EmailTaken as error:
        raise errors.Invalid({"email": ["A user with this email already exists."]}) from error
    except accounts.UsernameTaken as error:
        raise errors.Invalid({"username": ["A user with this username already exists."]}) from error


def register(
    *,
    email: str,
    password: str,
    name: str,
    surname: str,
    details: sign_up.UserDetails,
    terms: SessionTerms,
) -> sessions.Grant:
    """Create a user with an empty wallet and sign them in.

    Raises: Invalid for an e-mail or username that is taken, or a username that would pass for
    somebody's e-mail.
    """
    with _names_are_free():
        return sign_up.sign_up_user(
            name=name, surname=surname, email=email, password=password, details=details, terms=terms
        )


def read_profile(user_id: UUID) -> Profile:
    """Return a user as this contract shows them."""
    account, credit = db.session.execute(
        sa.select(Account, sa.func.coalesce(Wallet.balance, 0))
        .outerjoin(Wallet, Wallet.account_id == Account.id)
        .where(Account.id == user_id),
        # What an earlier look has loaded may be out of date.
        execution_options={"populate_existing": True},
    ).one()
    return Profile(account, credit)


def change_profile(user_id: UUID, changes: accounts.UserChanges) -> Profile:
    """Change what is named.

    Raises: Invalid for a username that is taken or would pass for somebody's e-mail. Nothing is
    changed then.
    """
    with _names_are_free(), transaction():
        accounts.change_user(user_id, changes)
        return read_profile(user_id)


def change_password(
    user_id: UUID,
    old_password: str,
    new_password: str,
    *,
    address: str | None,
    session_id: UUID | None,
) -> None:
    """Set a new password for who knows the old one. Every session but this one ends.

    Raises: Invalid for a wrong old password, which counts as a failed attempt; RateLimited.
    """
    try:
        credentials.change_password(
            user_id, old_password, new_password, address=address, keep=session_id
        )
    except errors.WrongCredentials as error:
        raise errors.Invalid({"old_password": ["This is not your password."]}) from error
