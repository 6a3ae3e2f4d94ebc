"""Passwords as they are hashed."""

import unicodedata

# Decomposed, the longest password that can be set is half as long.
_LONGEST = 1_000


def normalised(password: str) -> str:
    """Return the password however its accents were typed (NFC). Keyboards differ in that."""
    return password if len(password) > _LONGEST else unicodedata.normalize("NFC", password)


def tries(password: str) -> tuple[str, ...]:
    """Return what to compare with a stored hash: normalised, then as typed where that differs.

    Passwords were once hashed as they were typed.
    """
    return tuple(dict.fromkeys((normalised(password), password)))
