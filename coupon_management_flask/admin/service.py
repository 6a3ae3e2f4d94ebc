"""Use cases of administrators that no API has.

They sign in to /admin, and change accounts and addresses that get no mails.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import errors
from ..db.session import db, transaction
from ..identity import accounts, change_log, credentials, sessions
from ..models import Account, AccountKind, ChangeAction, Role, UnsubscribedAddress
from .errors import NotAnAdministrator

ISSUED_BY = sessions.Issuer.ADMIN
# Then the password is asked for again, however busy somebody is.
LIFETIME = timedelta(hours=12)


def sign_in(login: str, password: str, *, address: str | None, caller: str) -> sessions.Grant:
    """Open a session for the administrator of that username or e-mail.

    `address` limits failed attempts, as in `credentials.authenticate`. `caller` is for the log.

    Raises: WrongCredentials, AccountDisabled and NotAnAdministrator, each of which is logged, and
    RateLimited.
    """
    try:
        identity = credentials.authenticate(login, password, address=address)
        if identity.role != Role.ADMINISTRATOR:
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
    """Lock an account and all active administrators, and return the latter.

    None of them changes until this transaction ends.
    """
    administrators = (
        sa.select(Account.id)
        .where(Account.role == Role.ADMINISTRATOR, Account.is_active)
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )
    found = set(db.session.scalars(administrators))
    db.session.execute(
        sa.select(Account.id).where(Account.id == account_id).with_for_update(key_share=True)
    )
    return found


def change_account(account_id: UUID, changes: Mapping[str, Any], *, by: UUID) -> None:
    """Change name, surname, role or is_active of an account.

    An account that is disabled, or is no administrator any more, is signed out. Nobody changes the
    last two of their own account, and whoever does it for others is an administrator still. So
    there always is one.

    Raises: NotFound, Invalid, and Forbidden where `by` is no administrator any more.
    """
    with transaction():
        if by not in hold_accounts(account_id):
            raise errors.Forbidden
        kind = db.session.scalar(sa.select(Account.kind).where(Account.id == account_id))
        if kind is None:
            raise errors.NotFound
        if account_id == by and (own := changes.keys() & {"role", "is_active"}):
            raise errors.Invalid(
                {name: ["Another administrator has to do this."] for name in sorted(own)}
            )
        if kind != AccountKind.USER and changes.get("role", Role.USER) != Role.USER:
            raise errors.Invalid({"role": ["Only a user can be an administrator."]})
        db.session.execute(
            sa.update(Account).where(Account.id == account_id).values(**changes),
            execution_options={"synchronize_session": False},
        )
        if changes.get("is_active") is False:
            sessions.revoke_all(account_id)
        elif changes.get("role") == Role.USER:
            sessions.revoke_all(account_id, issued_by=ISSUED_BY)


def allow_mails(email: str) -> None:
    """Let that address get mails again."""
    with transaction():
        db.session.execute(
            sa.delete(UnsubscribedAddress).where(UnsubscribedAddress.email == email),
            execution_options={"synchronize_session": False},
        )
