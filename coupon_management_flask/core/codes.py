"""Codes: the text a person types. Made to be read aloud, compared without case, never guessable."""

import secrets
import unicodedata

# No 0/O, no 1/I/L: what is left can't be misread.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def generate(length: int) -> str:
    """A code of `length` characters, each drawn alone from a cryptographic source: 31 ** length possible ones."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def comparable(code: str) -> str:
    """The form in which two codes are the same code: without case, however the accents were typed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", code).casefold())
