"""Use cases of accounts in the voucher contract: registering, the profile, new passwords."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import errors
from ..db.session import db, transaction
from ..identity import accounts, sessions
from ..messaging import outbox
from ..models import Account, Wallet
from . import mailer

# The contract that these sessions are opened by.
ISSUED_BY = "voucher"


@contextmanager
def _names_are_free() -> Iterator[None]:
    """Here what is taken is a wrong field like any other."""
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
    first_name: str,
    last_name: str,
    username: str | None = None,
    phone_number: str | None = None,
    lifetime: timedelta,
) -> sessions.Grant:
    """A new user with an empty wallet, signed in. Raises Invalid for an e-mail or username that is taken, or a username that would pass for an e-mail."""
    with _names_are_free(), transaction():
        user_id = accounts.create_user(
            email=email,
            password=password,
            name=first_name,
            surname=last_name,
            username=username,
            phone_number=phone_number,
        )
        return sessions.open_session(user_id, issued_by=ISSUED_BY, lifetime=lifetime)


_profile = (
    sa.select(
        *(
            getattr(Account, name)
            for name in (
                "id",
                "email",
                "username",
                "name",
                "surname",
                "phone_number",
                "address",
                "date_of_birth",
                "avatar_url",
            )
        ),
        Account.is_active,
        *((Account.role == "administrator").label(name) for name in ("is_staff", "is_superuser")),
        Account.created_at,
        sa.func.coalesce(Wallet.balance, 0).label("credit"),
    )
    .outerjoin(Wallet, Wallet.account_id == Account.id)
    .where(Account.id == sa.bindparam("user_id", type_=sa.Uuid))
)


def read_profile(user_id: UUID) -> dict[str, Any]:
    """A user as this contract shows it."""
    profile = db.session.execute(_profile, {"user_id": user_id}).one()
    return {**profile._mapping, "full_name": f"{profile.name} {profile.surname}".strip()}


def change_profile(user_id: UUID, changes: dict[str, Any]) -> dict[str, Any]:
    """Changes what is named. Raises Invalid for a username that is taken or would pass for an e-mail, and then changes nothing."""
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
    """A new password for who knows the old one; every other session ends. Raises Invalid for a wrong old one, which is a wrong guess, and RateLimited."""
    try:
        accounts.change_password(
            user_id, old_password, new_password, address=address, keep=session_id
        )
    except errors.WrongCredentials as error:
        raise errors.Invalid({"old_password": ["This is not your password."]}) from error


def ask_for_reset(email: str) -> None:
    """Has a link to a new password mailed to the user of that address. Who asks can't tell whether there is one: that is looked up by the mail's handler."""
    with transaction():
        outbox.write(mailer.TOPIC, {"email": email})


def reset_password(token: str, password: str) -> None:
    """Sets a new password by the token of a link, which is spent; all sessions end. Raises Invalid for one that is not valid (any more)."""
    try:
        accounts.reset_password(token, password)
    except errors.InvalidToken as error:
        raise errors.Invalid(
            {"token": ["This link is not valid any more. Ask for a new one."]}
        ) from error
