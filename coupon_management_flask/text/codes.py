"""Codes as people type them."""

import unicodedata

from . import invisible


def trimmed(code: str) -> str:
    """Return the code without the white space and the invisible characters around it."""
    return invisible.trimmed(code)


def comparable(code: str) -> str:
    """Return the form in which two codes are the same code.

    Neither case makes a difference, nor how accents were typed, nor what came along when the code
    was pasted.
    """
    return _folded(trimmed(code))


def keys(code: str) -> tuple[str, ...]:
    """Return the forms by which a code is found, the one that comes first before the other.

    Codes were once stored with the white space around them. Such a code keeps it where without it
    another code would be the same, and is found by all of its text.
    """
    return tuple(dict.fromkeys((_folded(code), comparable(code))))


def _folded(code: str) -> str:
    # What is longer is no code, and normalising it could take long.
    if len(code) > invisible.LONGEST:
        return code
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", code).casefold())


def discount(code: str) -> str:
    """Return a discount code as it is stored and compared: trimmed and in capitals.

    Discount codes are ASCII. Other text keeps its letters, so that ß never becomes SS.
    """
    code = trimmed(code)
    return code.upper() if code.isascii() else code
