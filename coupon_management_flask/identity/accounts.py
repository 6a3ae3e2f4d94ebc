"""Accounts of people, companies and servers: creating, finding and changing them."""

from dataclasses import dataclass, field
from datetime import date
from typing import TypedDict
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from ..core import clock, errors, wallet
from ..db.failures import broken_constraint
from ..db.session import db, transaction
from ..models import Account, AccountKind, Role, new_id
from ..text import usernames
from . import passwords

LONGEST_USERNAME = usernames.LONGEST


class UsernameTaken(errors.Conflict):
    name = "username_taken"


class EmailTaken(errors.Conflict):
    name = "email_taken"


@dataclass(frozen=True, slots=True)
class Identity:
    """What signing in found out about an account."""

    id: UUID
    kind: AccountKind
    username: str | None
    name: str
    role: Role
    # The stored hash that the password matched. A session opens only while it is still current.
    password_hash: str | None = field(default=None, compare=False, repr=False)


class UserChanges(TypedDict, total=False):
    """What may be changed of a user. A key that is absent leaves its value as it is."""

    username: str
    name: str
    surname: str
    age: int
    country: str
    avatar_url: str | None
    phone_number: str | None
    address: str | None
    date_of_birth: date | None


def create_user(
    *,
    password: str,
    name: str,
    surname: str = "",
    username: str | None = None,
    email: str | None = None,
    credit: int = 0,
    role: Role = Role.USER,
    age: int | None = None,
    country: str | None = None,
    avatar_url: str | None = None,
    phone_number: str | None = None,
) -> UUID:
    """Create a person with a wallet. The username is the e-mail unless given.

    Raises: Invalid for a username that would pass for somebody's e-mail or has characters that
    nobody sees, or without username and e-mail; UsernameTaken; EmailTaken.
    """
    username = username if username is not None else email
    if username is None:
        raise errors.Invalid({"username": ["A username or an e-mail is needed."]})
    username = _checked_username(username, email)
    account = Account(
        kind=AccountKind.USER,
        username=username,
        email=email,
        password_hash=passwords.hash_password(password),
        name=name,
        surname=surname,
        role=role,
        age=age,
        country=country,
        avatar_url=avatar_url,
        phone_number=phone_number,
    )
    with transaction():
        _insert(account)
        wallet.open_wallet(account.id, credit)
    return account.id


def create_company(*, name: str, email: str, password: str) -> UUID:
    """Create a company. A user may have the same e-mail: they are two accounts.

    Raises: EmailTaken.
    """
    account = Account(
        kind=AccountKind.COMPANY,
        email=email,
        password_hash=passwords.hash_password(password),
        name=name,
    )
    with transaction():
        _insert(account)
    return account.id


def find_or_create_service(name: str) -> UUID:
    """Return the account of the server of that name. Call it inside `transaction()`."""
    account = find(name, AccountKind.SERVICE)
    if account is None:
        account = Account(kind=AccountKind.SERVICE, username=name, name=name)
        _insert(account)
    return account.id


def change_user(account_id: UUID, changes: UserChanges) -> None:
    """Change what is named of a user.

    Raises: Invalid for a username that would pass for somebody's e-mail or has characters that
    nobody sees; UsernameTaken.
    """
    columns: dict[str, object] = dict(changes)
    with transaction():
        if "username" in changes:
            # An e-mail never changes.
            was, email = db.session.execute(
                sa.select(Account.username, Account.email).where(Account.id == account_id)
            ).one()
            if changes["username"] == was:
                # It may be older than the rules, and clients send whole profiles back.
                del columns["username"]
            else:
                username = _checked_username(changes["username"], email)
                columns["username"] = username
                columns["username_key"] = usernames.comparable(username)
        if not columns:
            return
        try:
            db.session.execute(
                sa.update(Account).where(Account.id == account_id).values(columns),
                execution_options={"synchronize_session": False},
            )
        except IntegrityError as error:
            if "username_key" in broken_constraint(error):
                raise UsernameTaken from error
            raise


def _checked_username(username: str, email: str | None) -> str:
    """Return the username as it is stored."""
    username = usernames.trimmed(username)
    if not username:
        raise errors.Invalid({"username": ["It must not be blank."]})
    if not usernames.is_readable(username):
        raise errors.Invalid({"username": ["It must not have characters that nobody sees."]})
    if email is not None and usernames.comparable(username) == usernames.comparable(email):
        return username
    if "@" in username:
        raise errors.Invalid(
            {"username": ["A username holds no @, unless it is the account's e-mail."]}
        )
    if len(username) > LONGEST_USERNAME:
        raise errors.Invalid({"username": [f"It must have at most {LONGEST_USERNAME} characters."]})
    return username


def _insert(account: Account) -> None:
    account.id = new_id()
    username, email = account.username, account.email
    account.username_key = None if username is None else usernames.comparable(username)
    account.email_key = None if email is None else usernames.comparable(email)
    account.created_at = clock.now()
    db.session.add(account)
    try:
        db.session.flush()
    except IntegrityError as error:
        constraint = broken_constraint(error)
        # A username that is the e-mail is taken together with it; databases differ in which of the
        # two they name.
        if "email_key" in constraint or account.username_key == account.email_key:
            raise EmailTaken from error
        if "username_key" in constraint:
            raise UsernameTaken from error
        raise


def find(login: str, kind: AccountKind = AccountKind.USER) -> Account | None:
    """Return the account of that username or e-mail."""
    return _find(login, kind, (Account.username_key, Account.email_key))


def find_by_email(email: str, kind: AccountKind = AccountKind.USER) -> Account | None:
    """Return the account of that e-mail."""
    return _find(email, kind, (Account.email_key,))


def _find(
    login: str, kind: AccountKind, keys: tuple[InstrumentedAttribute[str | None], ...]
) -> Account | None:
    earlier, form = usernames.earlier(login), usernames.comparable(login)
    return db.session.scalars(
        sa.select(Account)
        .where(Account.kind == kind, sa.or_(*(key.in_((earlier, form)) for key in keys)))
        # An account that shares its mailbox with an older one is found by its own spelling alone.
        # A username may read like the e-mail of somebody else; the owner of the e-mail comes first.
        .order_by(
            sa.case((sa.or_(*(key == earlier for key in keys)), 0), else_=1),
            sa.case((Account.email_key == form, 0), else_=1),
        )
        .limit(1),
        # What an earlier look has loaded may be out of date.
        execution_options={"populate_existing": True},
    ).one_or_none()


def is_active_user(account_id: UUID) -> bool:
    found = db.session.scalar(
        sa.select(Account.id).where(
            Account.id == account_id, Account.kind == AccountKind.USER, Account.is_active
        )
    )
    return found is not None
