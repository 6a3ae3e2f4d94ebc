"""Hashes of what people could guess: e-mail addresses, usernames, bodies with passwords in them.

A bare hash of such a text gives it away to whoever tries all of them. These are keyed by
SECRET_KEY, so that a copy of the database or a line of the log tells nothing.
"""

import hashlib
import hmac
from functools import lru_cache

from .. import config


def keyed_hash(purpose: str, *parts: bytes) -> str:
    """Return 64 hexadecimal digits that recognise these parts.

    Each purpose has a key of its own: what was hashed for one can't be looked for in another.
    A new SECRET_KEY gives other hashes.
    """
    digest = hashlib.blake2b(key=_key(config.current().secret_key, purpose), digest_size=32)
    for part in parts:
        # With its length, so that no two lists of parts are the same bytes.
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _key(secret_key: str, purpose: str) -> bytes:
    return hmac.digest(secret_key.encode(), purpose.encode(), "sha256")
