"""Use cases of signing up and in, and of a user's profile."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..db.session import AnyRow, db, transaction
from ..identity import accounts, passwords, sessions
from ..models import Account

# The contract that these sessions are opened by: a new sign-in ends those, and no others.
ISSUED_BY = "promo"


def sign_up_company(*, name: str, email: str, password: str, lifetime: timedelta) -> sessions.Grant:
    """A new company, signed in. Raises EmailTaken."""
    with transaction():
        company_id = accounts.create_company(name=name, email=email, password=password)
        return sessions.open_only_session(company_id, issued_by=ISSUED_BY, lifetime=lifetime)


def sign_up_user(
    *,
    name: str,
    surname: str,
    email: str,
    password: str,
    other: dict[str, Any],
    avatar_url: str | None = None,
    lifetime: timedelta,
) -> sessions.Grant:
    """A new user, signed in. Raises EmailTaken."""
    with transaction():
        user_id = accounts.create_user(
            name=name,
            surname=surname,
            email=email,
            password=password,
            avatar_url=avatar_url,
            age=other["age"],
            country=other["country"],
        )
        return sessions.open_only_session(user_id, issued_by=ISSUED_BY, lifetime=lifetime)


def sign_in(
    email: str, password: str, *, kind: str, address: str | None, lifetime: timedelta
) -> sessions.Grant:
    """Signed in; the tokens that this contract gave before are dead. Raises WrongCredentials, AccountDisabled, RateLimited, which end nothing."""
    identity = accounts.authenticate(email, password, kind=kind, address=address)
    return sessions.open_only_session(
        identity.id, issued_by=ISSUED_BY, lifetime=lifetime, password_hash=identity.password_hash
    )


_ACCOUNT = sa.select(
    Account.name,
    Account.surname,
    Account.email,
    Account.username,
    Account.avatar_url,
    Account.age,
    Account.country,
)


def read_profile(user_id: UUID) -> dict[str, Any]:
    """A user as this contract shows it; `other` is None where neither age nor country is known."""
    return _shown(db.session.execute(_ACCOUNT.where(Account.id == user_id)).one())


def _shown(account: AnyRow) -> dict[str, Any]:
    other = {"age": account.age, "country": account.country}
    return {
        **account._mapping,
        "email": account.email or account.username,
        "other": None if set(other.values()) == {None} else other,
    }


def change_profile(
    user_id: UUID, changes: dict[str, Any], *, session_id: UUID | None
) -> dict[str, Any]:
    """Changes what is named. A new password works from now on and ends every session but the caller's."""
    columns = {
        name: changes[name] for name in ("name", "surname", "avatar_url") if name in changes
    } | changes.get("other", {})
    password_hash = passwords.hash_password(changes["password"]) if "password" in changes else None
    with transaction():
        if password_hash is not None:
            accounts.set_password(user_id, password_hash, keep=session_id)
        if columns:
            db.session.execute(sa.update(Account).where(Account.id == user_id).values(**columns))
        return read_profile(user_id)
