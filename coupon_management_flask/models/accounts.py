"""Who may sign in, and with what."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id, is_among
from .kinds import AccountKind, Role


class Account(Model):
    """A person (`user`), a company, or a server (`service`) that acts through API keys.

    `*_key` columns hold what is compared, without case. A user has a username and, mostly, an
    e-mail. A company has an e-mail. A service has only a username, and never signs in with a
    password.
    """

    __tablename__ = "accounts"

    id: Mapped[Id]
    kind: Mapped[AccountKind]
    username: Mapped[str | None]
    username_key: Mapped[str | None]
    email: Mapped[str | None]
    email_key: Mapped[str | None]
    password_hash: Mapped[str | None]
    name: Mapped[str]
    surname: Mapped[str] = mapped_column(default="")
    role: Mapped[Role] = mapped_column(default=Role.USER)
    is_active: Mapped[bool] = mapped_column(default=True)
    age: Mapped[int | None]
    country: Mapped[str | None]
    avatar_url: Mapped[str | None]
    phone_number: Mapped[str | None]
    address: Mapped[str | None]
    date_of_birth: Mapped[date | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        sa.UniqueConstraint("kind", "username_key"),
        sa.UniqueConstraint("kind", "email_key"),
        sa.CheckConstraint(is_among("kind", AccountKind), name="kind"),
        sa.CheckConstraint(is_among("role", Role), name="role"),
        sa.CheckConstraint("kind = 'company' OR username_key IS NOT NULL", name="username"),
        sa.CheckConstraint("kind <> 'company' OR email_key IS NOT NULL", name="company_email"),
        sa.CheckConstraint("kind = 'service' OR password_hash IS NOT NULL", name="password"),
    )


class LoginSession(Model):
    """One sign-in and all the tokens that descend from it: a refresh family.

    `refresh_id` is the one refresh token that is alive. `issued_by` is the contract that opened
    the session.
    """

    __tablename__ = "sessions"

    id: Mapped[Id]
    account_id: Mapped[AccountId] = mapped_column(index=True)
    issued_by: Mapped[str]
    refresh_id: Mapped[UUID | None] = mapped_column(sa.Uuid)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class PasswordReset(Model):
    """The link with which an account's password may be reset. A later one takes its place.

    The token in the link is never stored, only its digest.
    """

    __tablename__ = "password_resets"

    account_id: Mapped[AccountId] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ApiKey(Model):
    """A server's way to sign in. The key itself is shown once and never stored."""

    __tablename__ = "api_keys"

    id: Mapped[Id]
    account_id: Mapped[AccountId] = mapped_column(index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    permissions: Mapped[list[str]] = mapped_column(sa.JSON)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class GuessLog(Model):
    """The failed attempts of one subject at one kind of guess.

    `moments` has the last of them in seconds since 1970, the oldest first.
    """

    __tablename__ = "guess_logs"

    subject: Mapped[str] = mapped_column(primary_key=True)
    moments: Mapped[list[float]] = mapped_column(sa.JSON)
    updated_at: Mapped[datetime] = mapped_column(index=True)
