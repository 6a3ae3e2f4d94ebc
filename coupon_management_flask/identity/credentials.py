"""Names and passwords: signing in with them, and the ways to a new password."""

from uuid import UUID

import sqlalchemy as sa

from ..core import errors
from ..db.dialects import rows_changed
from ..db.failures import retried
from ..db.session import db, transaction
from ..models import Account, AccountKind, PasswordReset
from ..text import usernames
from . import failed_attempts, passwords, sessions
from .accounts import Identity, find
from .keyed_hashes import keyed_hash

WRONG_PASSWORDS_PER_ACCOUNT = 10
# An office behind one address has many people; a machine that tries a list of stolen passwords
# has many names.
WRONG_PASSWORDS_PER_ADDRESS = 100


def authenticate(
    login: str, password: str, *, kind: AccountKind = AccountKind.USER, address: str | None
) -> Identity:
    """Return who belongs to this name and password.

    `address` is where the caller is. None means that failed attempts are not limited.
    An unknown name costs the same statements and the same hashing as a wrong password.

    Raises: WrongCredentials; AccountDisabled, for the right password alone; RateLimited after ten
    wrong passwords in ten minutes.
    """
    account = find(login, kind)
    if account is None:
        # What was typed may be a password in the wrong field.
        whose = keyed_hash("failed_attempts", usernames.comparable(login).encode())
        _check_password(password, None, f"{kind}:{whose}", address)
        # There is no hash that a password could match.
        raise errors.WrongCredentials
    _check_password(password, account.password_hash, f"{kind}:{account.id}", address)
    if not account.is_active:
        raise errors.AccountDisabled
    return Identity(
        account.id,
        account.kind,
        account.username,
        account.name,
        account.role,
        account.password_hash,
    )


def _check_password(
    password: str, password_hash: str | None, whose: str, address: str | None
) -> None:
    limits = {}
    if address is not None:
        limits = {
            f"password:{whose}": WRONG_PASSWORDS_PER_ACCOUNT,
            f"password:address:{address}": WRONG_PASSWORDS_PER_ADDRESS,
        }
    failed_attempts.check(limits)
    if not passwords.verify(password, password_hash):
        failed_attempts.record(limits)
        raise errors.WrongCredentials


def replace_password(login: str, password: str, kind: AccountKind = AccountKind.USER) -> None:
    """Give the account of that username or e-mail a new password, and end all its sessions.

    Raises: NotFound.
    """
    account = find(login, kind)
    if account is None:
        raise errors.NotFound
    set_password(account.id, passwords.hash_password(password))


def change_password(
    account_id: UUID,
    old_password: str,
    new_password: str,
    *,
    address: str | None,
    keep: UUID | None,
) -> None:
    """Give a user who knows the old password a new one. Every session but `keep` ends.

    Raises: WrongCredentials for a wrong old password, which counts as a failed attempt;
    RateLimited.
    """
    password_hash = db.session.scalar(
        sa.select(Account.password_hash).where(Account.id == account_id)
    )
    _check_password(old_password, password_hash, f"{AccountKind.USER}:{account_id}", address)
    set_password(
        account_id, passwords.hash_password(new_password), keep=keep, instead_of=password_hash
    )


@retried
def set_password(
    account_id: UUID, password_hash: str, *, keep: UUID | None = None, instead_of: str | None = None
) -> None:
    """Store a new password's hash. This is the one way to a new password.

    A link that could have set one is dead, and every session but `keep` ends.
    `instead_of` is the hash that it is to replace.

    Raises: WrongCredentials where the stored hash is no longer `instead_of`.
    """
    with transaction():
        # Before the account, wherever both are changed.
        db.session.execute(
            sa.delete(PasswordReset).where(PasswordReset.account_id == account_id),
            execution_options={"synchronize_session": False},
        )
        is_current = [] if instead_of is None else [Account.password_hash == instead_of]
        changed = db.session.execute(
            sa.update(Account)
            .where(Account.id == account_id, *is_current)
            .values(password_hash=password_hash),
            execution_options={"synchronize_session": False},
        )
        if not rows_changed(changed):
            raise errors.WrongCredentials
        sessions.revoke_all(account_id, keep=keep)
