"""Use cases of a user's profile in the promo contract."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from ..db.session import db, transaction
from ..identity import accounts, credentials, passwords
from ..models import Account


@dataclass(frozen=True, slots=True)
class TargetingFacts:
    """What targeting goes by."""

    age: int | None
    country: str | None


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    surname: str
    email: str
    avatar_url: str | None
    # None where neither age nor country is known.
    other: TargetingFacts | None


def read_profile(user_id: UUID) -> Profile:
    """Return a user as this contract shows them."""
    name, surname, email, username, avatar_url, age, country = db.session.execute(
        sa.select(
            Account.name,
            Account.surname,
            Account.email,
            Account.username,
            Account.avatar_url,
            Account.age,
            Account.country,
        ).where(Account.id == user_id)
    ).one()
    other = None if age is None and country is None else TargetingFacts(age, country)
    return Profile(name, surname, email or username or "", avatar_url, other)


def change_profile(
    user_id: UUID,
    changes: accounts.UserChanges,
    *,
    password: str | None,
    session_id: UUID | None,
) -> Profile:
    """Change what is named, and the password where one is given.

    A new password works from now on and ends every session but the caller's.
    """
    password_hash = None if password is None else passwords.hash_password(password)
    with transaction():
        if password_hash is not None:
            credentials.set_password(user_id, password_hash, keep=session_id)
        accounts.change_user(user_id, changes)
        return read_profile(user_id)
