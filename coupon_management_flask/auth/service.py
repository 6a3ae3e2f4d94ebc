"""Use cases of signing in and out."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from ..core import errors, wallet
from ..identity import accounts, sessions


@dataclass(frozen=True, slots=True)
class SignedIn:
    identity: accounts.Identity
    credit: int
    grant: sessions.Grant


def log_in(
    login: str, password: str, *, issued_by: str, lifetime: timedelta, address: str | None
) -> SignedIn:
    """A session for the user of that username or e-mail.

    `address` is where the caller is, for the limit on wrong passwords; None turns that limit off.
    Raises WrongCredentials, AccountDisabled, RateLimited.
    """
    identity = accounts.authenticate(login, password, address=address)
    grant = sessions.open_session(
        identity.id, issued_by=issued_by, lifetime=lifetime, password_hash=identity.password_hash
    )
    return SignedIn(identity, wallet.balance_of(identity.id) or 0, grant)


def refresh(session_id: UUID, refresh_id: UUID, *, lifetime: timedelta) -> sessions.Grant:
    """The next tokens of a session. Raises InvalidToken, after the whole family has ended, where that token was spent already."""
    grant = sessions.rotate(session_id, refresh_id, lifetime=lifetime)
    if grant is None:
        raise errors.InvalidToken
    return grant


def log_out(account_id: UUID, session_id: UUID) -> None:
    """Ends a user's session, if it has not ended already. Raises InvalidToken where the account is disabled, as for all that it asks."""
    if not accounts.is_active_user(account_id):
        raise errors.InvalidToken
    sessions.revoke(session_id)
