"""Codes: the text a person types. Made to be read aloud, compared without case, never guessable."""

import secrets
import unicodedata

# No 0/O, no 1/I/L: what is left can't be misread.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def generate(length: int) -> str:
    """A code of `length` characters, each drawn alone from a cryptographic source: 31 ** length possible ones."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


_BYTES = bytes(range(256))
# As many whole alphabets as fit into a byte: what is left over would make some characters likelier than others.
_FITTING = 256 - 256 % len(ALPHABET)
_CHARACTERS = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in _BYTES)


def draw(count: int) -> str:
    """So many characters, as random as those of `generate`, for codes by the thousand."""
    drawn = b""
    while len(drawn) < count:
        drawn += secrets.token_bytes(count - len(drawn) + 16).translate(
            _CHARACTERS, _BYTES[_FITTING:]
        )
    return drawn[:count].decode()


def comparable(code: str) -> str:
    """The form in which two codes are the same code: without case, however the accents were typed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", code).casefold())
