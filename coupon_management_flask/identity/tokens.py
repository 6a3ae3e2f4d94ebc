"""Random secrets that are shown once and stored as a digest: API keys, links to a new password."""

import hashlib
import secrets


def new_token() -> str:
    """Return 256 random bits in base64url."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """Return what is stored of a token.

    A fast hash is enough: nobody can guess 256 random bits, so there is no guessing to slow down.
    """
    return hashlib.sha256(token.encode()).hexdigest()
