"""Use cases of signing up, which the contracts share."""

from typing import TypedDict

from ..db.session import transaction
from ..identity import accounts, sessions
from .sign_in import SessionTerms


class UserDetails(TypedDict, total=False):
    """What a contract may know of a new user beyond the name."""

    username: str
    age: int
    country: str
    avatar_url: str
    phone_number: str


def sign_up_company(*, name: str, email: str, password: str, terms: SessionTerms) -> sessions.Grant:
    """Create a company and sign it in.

    Raises: EmailTaken.
    """
    with transaction():
        return terms.open(accounts.create_company(name=name, email=email, password=password))


def sign_up_user(
    *,
    name: str,
    surname: str,
    email: str,
    password: str,
    details: UserDetails,
    terms: SessionTerms,
) -> sessions.Grant:
    """Create a user with an empty wallet and sign them in.

    Raises: EmailTaken; UsernameTaken; Invalid for a username that would pass for somebody's e-mail.
    """
    with transaction():
        return terms.open(
            accounts.create_user(
                name=name, surname=surname, email=email, password=password, **details
            )
        )
