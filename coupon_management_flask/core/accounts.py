"""Accounts: people, companies and servers; who they are, what they may do, how they prove it."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..database import AnyRow, Moment, broken_constraint, db, rows_changed, transaction
from ..models import Account, ApiKey, new_id
from ..prepared import Prepared
from . import clock, errors, guesses, passwords, tokens, wallet

# What a role may do beyond its own things. An API key has a list of its own.
PERMISSIONS: dict[str, frozenset[str]] = {
    "user": frozenset({"getCoupons"}),
    "administrator": frozenset({"getCoupons", "manageCoupons"}),
}
ALL_PERMISSIONS = frozenset().union(*PERMISSIONS.values())

LONGEST_USERNAME = 150

WRONG_PASSWORDS_PER_ACCOUNT = 10
# An office behind one address has many people; a machine that tries a list of stolen passwords has many names.
WRONG_PASSWORDS_PER_ADDRESS = 100

_accounts: Any = Account.__table__


class UsernameTaken(errors.Conflict):
    name = "username_taken"


class EmailTaken(errors.Conflict):
    name = "email_taken"


@dataclass(frozen=True, slots=True)
class Identity:
    """What signing in found out about somebody."""

    id: UUID
    kind: str
    username: str | None
    name: str
    role: str


def comparable(name: str) -> str:
    """The form in which two e-mail addresses, or two usernames, are the same."""
    return name.strip().casefold()


def create_user(
    *,
    password: str,
    name: str,
    surname: str = "",
    username: str | None = None,
    email: str | None = None,
    credit: int = 0,
    role: str = "user",
    **profile: Any,
) -> UUID:
    """A person with a wallet. The username is the e-mail unless given; otherwise it holds no `@`. `profile`: age, country, avatar_url.

    Raises Invalid for a username with an `@` (it would pass for somebody's e-mail) or for neither name nor e-mail, UsernameTaken, EmailTaken.
    """
    username = username if username is not None else email
    if username is None:
        raise errors.Invalid({"username": ["A username or an e-mail is needed."]})
    if not comparable(username):
        raise errors.Invalid({"username": ["It must not be blank."]})
    if "@" in username and (email is None or comparable(username) != comparable(email)):
        raise errors.Invalid({"username": ["A username holds no @, unless it is the account's e-mail."]})
    with transaction():
        account_id = _insert(
            kind="user",
            username=username,
            email=email,
            password_hash=passwords.hash_password(password),
            name=name,
            surname=surname,
            role=role,
            **profile,
        )
        wallet.open_wallet(account_id, credit)
    return account_id


def create_company(*, name: str, email: str, password: str) -> UUID:
    """A company. Its e-mail may also be a user's: they are two accounts. Raises EmailTaken."""
    with transaction():
        return _insert(kind="company", username=None, email=email, password_hash=passwords.hash_password(password), name=name)


def _insert(
    *, kind: str, username: str | None, email: str | None, password_hash: str | None, name: str, surname: str = "", role: str = "user", **profile: Any
) -> UUID:
    account_id = new_id()
    try:
        db.session.execute(
            sa.insert(_accounts).values(
                id=account_id,
                kind=kind,
                username=username,
                username_key=None if username is None else comparable(username),
                email=email,
                email_key=None if email is None else comparable(email),
                password_hash=password_hash,
                name=name,
                surname=surname,
                role=role,
                is_active=True,
                created_at=clock.now(),
                **profile,
            )
        )
    except IntegrityError as error:
        constraint = broken_constraint(error)
        # Whose username is the e-mail takes both at once; databases differ in which they name.
        if "email_key" in constraint or (username is not None and username == email):
            raise EmailTaken from error
        if "username_key" in constraint:
            raise UsernameTaken from error
        raise
    return account_id


def find(login: str, kind: str = "user") -> AnyRow | None:
    """The account of that username or e-mail."""
    key = comparable(login)
    return db.session.execute(
        sa.select(_accounts)
        .where(_accounts.c.kind == kind, sa.or_(_accounts.c.username_key == key, _accounts.c.email_key == key))
        # A user without an e-mail could be named like somebody's; the e-mail's owner comes first.
        .order_by(_accounts.c.email_key.is_(None))
        .limit(1)
    ).one_or_none()


def authenticate(login: str, password: str, *, kind: str = "user", address: str | None) -> Identity:
    """Who belongs to this name and password. `address` is where the caller is; None means that guesses are not limited.

    Raises WrongCredentials (after the same statements and the same hashing, whether or not there is such an account),
    AccountDisabled, or RateLimited after ten wrong passwords in ten minutes.
    """
    account = find(login, kind)
    who = account.id if account is not None else hashlib.sha256(comparable(login).encode()).hexdigest()
    limits = {}
    if address is not None:
        limits = {f"password:{kind}:{who}": WRONG_PASSWORDS_PER_ACCOUNT, f"password:address:{address}": WRONG_PASSWORDS_PER_ADDRESS}
    guesses.check(limits)
    if not passwords.verify(password, account.password_hash if account is not None else None) or account is None:
        guesses.count_wrong(limits)
        raise errors.WrongCredentials
    if not account.is_active:
        raise errors.AccountDisabled
    return Identity(account.id, account.kind, account.username, account.name, account.role)


def replace_password(login: str, password: str, kind: str = "user") -> None:
    """Gives the account of that username or e-mail a new password and ends all its sessions. Raises NotFound."""
    account = find(login, kind)
    if account is None:
        raise errors.NotFound
    with transaction():
        db.session.execute(sa.update(_accounts).where(_accounts.c.id == account.id).values(password_hash=passwords.hash_password(password)))
        tokens.revoke_all(account.id)


def _digest(api_key: str) -> str:
    # The key is 256 random bits: there is nothing to guess, so nothing to slow down.
    return hashlib.sha256(api_key.encode()).hexdigest()


def create_api_key(service: str, permissions: list[str], lifetime: timedelta) -> str:
    """A new API key, which is shown this once, for the service of that name (made when it is new).

    Keys of one service act as one account, so that a new key takes over where the old one left off.
    Raises Invalid for a permission that does not exist.
    """
    unknown = sorted(set(permissions) - ALL_PERMISSIONS)
    if unknown or not permissions:
        raise errors.Invalid({"permissions": [f"Choose from {', '.join(sorted(ALL_PERMISSIONS))}."]})
    api_key = "ck_" + secrets.token_urlsafe(32)
    now = clock.now()
    with transaction():
        account = find(service, "service")
        account_id = account.id if account is not None else _insert(kind="service", username=service, email=None, password_hash=None, name=service)
        db.session.add(ApiKey(account_id=account_id, digest=_digest(api_key), permissions=sorted(set(permissions)), created_at=now, expires_at=now + lifetime))
    return api_key


def revoke_api_keys(service: str) -> int:
    """Ends all keys of a service and says how many there were."""
    with transaction():
        account = find(service, "service")
        if account is None:
            raise errors.NotFound
        revoked = db.session.execute(sa.update(ApiKey).where(ApiKey.account_id == account.id, ApiKey.revoked_at.is_(None)).values(revoked_at=clock.now()))
        return rows_changed(revoked)


_OWNER = Prepared(
    "api_key_owner",
    sa.select(Account.id, Account.kind, Account.username, Account.name, Account.role, ApiKey.permissions)
    .join(ApiKey, ApiKey.account_id == Account.id)
    .where(
        ApiKey.digest == sa.bindparam("digest", type_=ApiKey.digest.type),
        ApiKey.revoked_at.is_(None),
        ApiKey.expires_at > sa.bindparam("now", type_=Moment),
        Account.is_active,
    ),
)


def api_key_owner(api_key: str) -> tuple[Identity, frozenset[str]]:
    """The service behind an API key and what the key may do. Raises InvalidToken for one that is unknown, expired or revoked."""
    row = _OWNER.execute({"digest": _digest(api_key), "now": clock.now()}).one_or_none()
    if row is None:
        raise errors.InvalidToken
    return Identity(row.id, row.kind, row.username, row.name, row.role), frozenset(row.permissions)
