"""Use cases of administrators that no API has: signing in to /admin, and what may be changed of accounts and of addresses that get no mails."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import errors
from ..db.session import db, transaction
from ..identity import accounts, change_log, credentials, sessions
from ..models import Account, ChangeAction, UnsubscribedAddress
from .errors import NotAnAdministrator

ISSUED_BY = sessions.Issuer.ADMIN
# However busy somebody is: by then the password is asked for again.
LIFETIME = timedelta(hours=12)
ADMINISTRATOR = "administrator"

_accounts: Any = Account.__table__
_unsubscribed: Any = UnsubscribedAddress.__table__


def sign_in(
    login: str, password: str, *, address: str | None, caller: str | None
) -> sessions.Grant:
    """A session for the administrator of that username or e-mail. `address` limits guesses, as in `credentials.authenticate`; `caller` is for the log.

    Raises WrongCredentials, AccountDisabled, NotAnAdministrator, each of which is logged, and RateLimited.
    """
    try:
        identity = credentials.authenticate(login, password, address=address)
        if identity.role != ADMINISTRATOR:
            raise NotAnAdministrator
        with transaction():
            grant = sessions.open_session(
                identity.id,
                issued_by=ISSUED_BY,
                lifetime=LIFETIME,
                refreshable=False,
                password_hash=identity.password_hash,
            )
            change_log.write(
                ChangeAction.SIGN_IN,
                "sessions",
                str(grant.session_id),
                by=identity.id,
                after={"address": caller},
            )
            return grant
    except (errors.WrongCredentials, errors.Forbidden) as error:
        # What was typed is not kept: it may be a password in the wrong field.
        account = accounts.find(login)
        with transaction():
            change_log.write(
                ChangeAction.SIGN_IN_FAILED,
                "sessions",
                None,
                by=account.id if account is not None else None,
                after={"address": caller, "error": error.name},
            )
        raise


def sign_out(account_id: UUID, session_id: UUID) -> None:
    with transaction():
        sessions.revoke(session_id)
        change_log.write(ChangeAction.SIGN_OUT, "sessions", str(session_id), by=account_id)


def hold_accounts(account_id: UUID) -> set[UUID]:
    """The active administrators. Neither they nor that account change until this transaction ends."""
    administrators = (
        sa.select(_accounts.c.id)
        .where(_accounts.c.role == ADMINISTRATOR, _accounts.c.is_active)
        .order_by(_accounts.c.id)
    )
    found = db.session.scalars(administrators.with_for_update(key_share=True)).all()
    db.session.execute(
        sa.select(_accounts.c.id)
        .where(_accounts.c.id == account_id)
        .with_for_update(key_share=True)
    )
    return set(found)


def change_account(account_id: UUID, changes: Mapping[str, Any], *, by: UUID) -> None:
    """Changes name, surname, role or is_active of an account. One that is disabled, or no administrator's any more, is signed out.

    Nobody changes the last two of their own, and who does it for others is an administrator still: so there always is one.
    Raises NotFound, Forbidden where `by` is none any more, Invalid.
    """
    with transaction():
        if by not in hold_accounts(account_id):
            raise errors.Forbidden
        account = db.session.execute(
            sa.select(_accounts.c.kind).where(_accounts.c.id == account_id)
        ).one_or_none()
        if account is None:
            raise errors.NotFound
        if account_id == by and (own := changes.keys() & {"role", "is_active"}):
            raise errors.Invalid(
                {name: ["Another administrator has to do this."] for name in sorted(own)}
            )
        if account.kind != "user" and changes.get("role", "user") != "user":
            raise errors.Invalid({"role": ["Only a user can be an administrator."]})
        db.session.execute(
            sa.update(_accounts).where(_accounts.c.id == account_id).values(**changes)
        )
        if changes.get("is_active") is False:
            sessions.revoke_all(account_id)
        elif changes.get("role") == "user":
            sessions.revoke_all(account_id, issued_by=ISSUED_BY)


def allow_mails(email: str) -> None:
    """That address gets mails again."""
    with transaction():
        db.session.execute(sa.delete(_unsubscribed).where(_unsubscribed.c.email == email))
