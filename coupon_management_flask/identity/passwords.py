"""Passwords: Argon2id through passlib, and the rules for new ones."""

import warnings
from functools import cache
from typing import cast

with warnings.catch_warnings():
    # passlib 1.7.4 looks for `crypt` and for argon2's version in ways that newer Pythons warn of.
    warnings.simplefilter("ignore", DeprecationWarning)
    from passlib.context import CryptContext

from ..text.passwords import normalised, tries

# Of new passwords, where a contract sets no rules of its own.
SHORTEST, LONGEST = 8, 128
TOO_LONG = f"This password is too long. It must contain at most {LONGEST} characters."
# passlib refuses to look at longer ones; nothing as long was ever set.
LONGEST_LOOKED_AT = 4096

_context = CryptContext(schemes=["argon2"], argon2__type="ID")


def configure(memory_kib: int, rounds: int) -> None:
    """Set the work that one hash costs. What was hashed with other figures still verifies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        _context.update(
            argon2__memory_cost=memory_kib, argon2__rounds=rounds, argon2__parallelism=1
        )
        _context.dummy_verify()


def weaknesses(password: str) -> list[str]:
    """Return, in words, what is wrong with a new password where a contract sets no own rules."""
    if len(password) > LONGEST:
        # Nothing else is done with a text of any length.
        return [TOO_LONG]
    found = []
    if len(password) < SHORTEST:
        found.append(f"This password is too short. It must contain at least {SHORTEST} characters.")
    if password.lower() in _common():
        found.append("This password is too common.")
    if password.isdigit():
        found.append("This password is entirely numeric.")
    return found


@cache
def _common() -> frozenset[str]:
    """Return the 30,000 passwords that thieves have found most often elsewhere, in lower case.

    They take 15 MB and a tenth of a second, which a worker that sets no password need not spend.
    """
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    return frozenset(FREQUENCY_LISTS["passwords"])


def hash_password(password: str) -> str:
    return cast(str, _context.hash(normalised(password)))


def verify(password: str, hashed: str | None) -> bool:
    """Return whether the password is the hash's, normalised or as it was typed.

    Without a hash to compare with, it works as long as with one.
    """
    return any(_verify(one, hashed) for one in tries(password))


def _verify(password: str, hashed: str | None) -> bool:
    if len(password) > LONGEST_LOOKED_AT:
        password, hashed = "", None
    if hashed is None:
        _context.dummy_verify()
        return False
    return cast(bool, _context.verify(password, hashed))
