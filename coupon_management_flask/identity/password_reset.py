"""Password reset: a mailed link with which a user may set a new password, once."""

from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from ..core import clock, errors
from ..db.dialects import upsert
from ..db.failures import retried
from ..db.session import db, transaction
from ..models import Account, PasswordReset
from . import credentials, passwords
from .accounts import find_by_email
from .tokens import digest_of, new_token

LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ResetLink:
    """Where a link goes, and the token in it."""

    email: str
    token: str = field(repr=False)


@retried
def open_link(email: str) -> ResetLink | None:
    """Return a new link for the user of that e-mail. Earlier links are dead from now on.

    Returns None where there is no such user, no address to send it to, or the account is disabled.
    """
    account = find_by_email(email)
    if account is None or account.email is None or not account.is_active:
        return None
    account_id, address = account.id, account.email
    token = new_token()
    row = {"digest": digest_of(token), "expires_at": clock.now() + LIFETIME}
    with transaction():
        db.session.execute(
            upsert(PasswordReset)
            .values(account_id=account_id, **row)
            .on_conflict_do_update(index_elements=[PasswordReset.account_id], set_=row)
        )
    # Mail goes to the address on file. What was typed is the same mailbox to us, and could be
    # another one to its mail server.
    return ResetLink(address, token)


def _is_valid(token: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        PasswordReset.digest == digest_of(token),
        PasswordReset.expires_at > clock.now(),
        PasswordReset.account_id.in_(sa.select(Account.id).where(Account.is_active)),
    )


def is_valid(token: str) -> bool:
    """Return whether this token could set a new password now."""
    found = db.session.scalar(sa.select(PasswordReset.account_id).where(_is_valid(token)))
    return found is not None


@retried
def reset_password(token: str, password: str) -> None:
    """Set a new password by the token of a link, which is spent. All sessions end.

    Raises: InvalidToken where it is not valid, or no longer.
    """
    # Hashing takes a while. A token that is not valid causes none of it, and no row is locked
    # meanwhile.
    if not is_valid(token):
        raise errors.InvalidToken
    password_hash = passwords.hash_password(password)
    with transaction():
        account_id = db.session.scalar(
            sa.delete(PasswordReset).where(_is_valid(token)).returning(PasswordReset.account_id),
            execution_options={"synchronize_session": False},
        )
        if account_id is None:
            raise errors.InvalidToken
        credentials.set_password(account_id, password_hash)
