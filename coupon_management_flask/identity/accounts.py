"""Accounts: people, companies and servers; who they are, what they may do, how they prove it."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..core import clock, errors, wallet
from ..db.dialects import rows_changed, upsert
from ..db.failures import broken_constraint, retried
from ..db.session import AnyRow, db, transaction
from ..db.statements import Prepared
from ..db.types import Moment
from ..models import Account, ApiKey, PasswordReset, new_id
from . import failed_attempts, passwords, sessions

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

RESET_LIFETIME = timedelta(hours=1)

_accounts: Any = Account.__table__
_resets: Any = PasswordReset.__table__


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
    # The password that was shown, as it was stored then: a session is opened only while that is still the password.
    password_hash: str | None = field(default=None, compare=False, repr=False)


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
    _check_username(username, email)
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


def _check_username(username: str, email: str | None) -> None:
    if not comparable(username):
        raise errors.Invalid({"username": ["It must not be blank."]})
    if email is not None and comparable(username) == comparable(email):
        return
    if "@" in username:
        raise errors.Invalid(
            {"username": ["A username holds no @, unless it is the account's e-mail."]}
        )
    if len(username) > LONGEST_USERNAME:
        raise errors.Invalid({"username": [f"It must have at most {LONGEST_USERNAME} characters."]})


def change_user(account_id: UUID, changes: Mapping[str, Any]) -> None:
    """Changes what is named of a user, by the names of the columns. Raises Invalid for a username that would pass for somebody's e-mail, UsernameTaken."""
    columns = dict(changes)
    with transaction():
        if "username" in columns:
            # An e-mail never changes.
            _check_username(
                columns["username"],
                db.session.scalar(sa.select(_accounts.c.email).where(_accounts.c.id == account_id)),
            )
            columns["username_key"] = comparable(columns["username"])
        if columns:
            try:
                db.session.execute(
                    sa.update(_accounts).where(_accounts.c.id == account_id).values(**columns)
                )
            except IntegrityError as error:
                if "username_key" in broken_constraint(error):
                    raise UsernameTaken from error
                raise


def create_company(*, name: str, email: str, password: str) -> UUID:
    """A company. Its e-mail may also be a user's: they are two accounts. Raises EmailTaken."""
    with transaction():
        return _insert(
            kind="company",
            username=None,
            email=email,
            password_hash=passwords.hash_password(password),
            name=name,
        )


def _insert(
    *,
    kind: str,
    username: str | None,
    email: str | None,
    password_hash: str | None,
    name: str,
    surname: str = "",
    role: str = "user",
    **profile: Any,
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
        .where(
            _accounts.c.kind == kind,
            sa.or_(_accounts.c.username_key == key, _accounts.c.email_key == key),
        )
        # A user without an e-mail could be named like somebody's; the e-mail's owner comes first.
        .order_by(_accounts.c.email_key.is_(None))
        .limit(1)
    ).one_or_none()


def is_active_user(account_id: UUID) -> bool:
    return (
        db.session.scalar(
            sa.select(_accounts.c.id).where(
                _accounts.c.id == account_id, _accounts.c.kind == "user", _accounts.c.is_active
            )
        )
        is not None
    )


def authenticate(login: str, password: str, *, kind: str = "user", address: str | None) -> Identity:
    """Who belongs to this name and password. `address` is where the caller is; None means that guesses are not limited.

    Raises WrongCredentials (after the same statements and the same hashing, whether or not there is such an account),
    AccountDisabled, or RateLimited after ten wrong passwords in ten minutes.
    """
    account = find(login, kind)
    who = (
        account.id
        if account is not None
        else hashlib.sha256(comparable(login).encode()).hexdigest()
    )
    _check_password(
        password, account.password_hash if account is not None else None, f"{kind}:{who}", address
    )
    assert account is not None
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
        failed_attempts.count_wrong(limits)
        raise errors.WrongCredentials


def replace_password(login: str, password: str, kind: str = "user") -> None:
    """Gives the account of that username or e-mail a new password and ends all its sessions. Raises NotFound."""
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
    """Gives a user who knows the old password a new one; every session but `keep` ends.

    Raises WrongCredentials for a wrong old one, which counts as a wrong guess, and RateLimited.
    """
    password_hash = db.session.scalar(
        sa.select(_accounts.c.password_hash).where(_accounts.c.id == account_id)
    )
    _check_password(old_password, password_hash, f"user:{account_id}", address)
    set_password(
        account_id, passwords.hash_password(new_password), keep=keep, instead_of=password_hash
    )


@retried
def set_password(
    account_id: UUID, password_hash: str, *, keep: UUID | None = None, instead_of: str | None = None
) -> None:
    """The one way to a new password: a link that could have set one is dead, and every session but `keep` ends.

    With `instead_of`, the hash that it is to replace: raises WrongCredentials where somebody was faster.
    """
    with transaction():
        # Before the account, wherever both are changed.
        db.session.execute(sa.delete(_resets).where(_resets.c.account_id == account_id))
        is_still = [] if instead_of is None else [_accounts.c.password_hash == instead_of]
        changed = db.session.execute(
            sa.update(_accounts)
            .where(_accounts.c.id == account_id, *is_still)
            .values(password_hash=password_hash)
        )
        if not rows_changed(changed):
            raise errors.WrongCredentials
        sessions.revoke_all(account_id, keep=keep)


@dataclass(frozen=True, slots=True)
class ResetLink:
    """Where a link goes, and the token in it."""

    email: str
    token: str = field(repr=False)


@retried
def open_password_reset(email: str) -> ResetLink | None:
    """A token with which the user of that e-mail may set a new password, once and within an hour; former ones are dead from now on.

    None where there is no such user, or the account is disabled.
    """
    account = db.session.execute(
        sa.select(_accounts.c.id, _accounts.c.email).where(
            _accounts.c.kind == "user",
            _accounts.c.email_key == comparable(email),
            _accounts.c.is_active,
        )
    ).one_or_none()
    if account is None:
        return None
    token = secrets.token_urlsafe(32)
    row = {"digest": _digest(token), "expires_at": clock.now() + RESET_LIFETIME}
    with transaction():
        db.session.execute(
            upsert(_resets)
            .values(account_id=account.id, **row)
            .on_conflict_do_update(index_elements=[_resets.c.account_id], set_=row)
        )
    # To the address on file: what was typed is equal to it without case alone, and another mailbox may read that differently.
    return ResetLink(account.email, token)


def _is_reset_token(token: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        _resets.c.digest == _digest(token),
        _resets.c.expires_at > clock.now(),
        _resets.c.account_id.in_(sa.select(_accounts.c.id).where(_accounts.c.is_active)),
    )


def is_reset_token(token: str) -> bool:
    """Whether a new password could be set by this token now."""
    return (
        db.session.scalar(sa.select(_resets.c.account_id).where(_is_reset_token(token))) is not None
    )


@retried
def reset_password(token: str, password: str) -> None:
    """Sets a new password by such a token, which is spent; all sessions end. Raises InvalidToken where it is not valid (any more)."""
    # Hashing takes a while: nobody makes us do it for a token that is none, nor does anybody wait for it at the database.
    if not is_reset_token(token):
        raise errors.InvalidToken
    password_hash = passwords.hash_password(password)
    with transaction():
        account_id = db.session.scalar(
            sa.delete(_resets).where(_is_reset_token(token)).returning(_resets.c.account_id)
        )
        if account_id is None:
            raise errors.InvalidToken
        set_password(account_id, password_hash)


def _digest(secret: str) -> str:
    # It is 256 random bits: there is nothing to guess, so nothing to slow down.
    return hashlib.sha256(secret.encode()).hexdigest()


def create_api_key(service: str, permissions: list[str], lifetime: timedelta) -> str:
    """A new API key, which is shown this once, for the service of that name (made when it is new).

    Keys of one service act as one account, so that a new key takes over where the old one left off.
    Raises Invalid for a permission that does not exist.
    """
    unknown = sorted(set(permissions) - ALL_PERMISSIONS)
    if unknown or not permissions:
        raise errors.Invalid(
            {"permissions": [f"Choose from {', '.join(sorted(ALL_PERMISSIONS))}."]}
        )
    api_key = "ck_" + secrets.token_urlsafe(32)
    now = clock.now()
    with transaction():
        account = find(service, "service")
        account_id = (
            account.id
            if account is not None
            else _insert(
                kind="service", username=service, email=None, password_hash=None, name=service
            )
        )
        db.session.add(
            ApiKey(
                account_id=account_id,
                digest=_digest(api_key),
                permissions=sorted(set(permissions)),
                created_at=now,
                expires_at=now + lifetime,
            )
        )
    return api_key


def revoke_api_keys(service: str) -> int:
    """Ends all keys of a service and says how many there were."""
    with transaction():
        account = find(service, "service")
        if account is None:
            raise errors.NotFound
        revoked = db.session.execute(
            sa.update(ApiKey)
            .where(ApiKey.account_id == account.id, ApiKey.revoked_at.is_(None))
            .values(revoked_at=clock.now())
        )
        return rows_changed(revoked)


_OWNER = Prepared(
    "api_key_owner",
    sa.select(
        Account.id, Account.kind, Account.username, Account.name, Account.role, ApiKey.permissions
    )
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
