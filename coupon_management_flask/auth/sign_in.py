"""Use cases of signing in, refreshing and signing out, which the contracts share."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from ..core import errors
from ..identity import accounts, credentials, sessions
from ..models import AccountKind


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """How a contract opens sessions."""

    issued_by: sessions.Issuer
    lifetime: timedelta
    # A new session has no refresh token and ends the earlier ones of this issuer.
    is_only: bool = False

    def open(self, account_id: UUID, password_hash: str | None = None) -> sessions.Grant:
        """Open a session on these terms; see `sessions.open_session`."""
        open_ = sessions.open_only_session if self.is_only else sessions.open_session
        return open_(
            account_id,
            issued_by=self.issued_by,
            lifetime=self.lifetime,
            password_hash=password_hash,
        )


@dataclass(frozen=True, slots=True)
class SignedIn:
    identity: accounts.Identity
    grant: sessions.Grant


def sign_in(
    login: str,
    password: str,
    terms: SessionTerms,
    *,
    kind: AccountKind = AccountKind.USER,
    address: str | None,
) -> SignedIn:
    """Open a session for the account of that username or e-mail.

    `address` is where the caller is, for the limit on wrong passwords. None turns that limit off.

    Raises: WrongCredentials; AccountDisabled; RateLimited. They end no session.
    """
    identity = credentials.authenticate(login, password, kind=kind, address=address)
    return SignedIn(identity, terms.open(identity.id, identity.password_hash))


def refresh(session_id: UUID, refresh_id: UUID, terms: SessionTerms) -> sessions.Grant:
    """Exchange a refresh token for the next one.

    Raises: InvalidToken where the token was spent already. The whole family has ended then.
    """
    grant = sessions.rotate(session_id, refresh_id, lifetime=terms.lifetime)
    if grant is None:
        raise errors.InvalidToken
    return grant


def sign_out(account_id: UUID, session_id: UUID) -> None:
    """End a user's session, if it has not ended already.

    Raises: InvalidToken where the account is disabled, as for everything that it asks.
    """
    if not accounts.is_active_user(account_id):
        raise errors.InvalidToken
    sessions.revoke(session_id)
