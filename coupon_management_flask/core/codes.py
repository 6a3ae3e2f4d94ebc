"""Codes: the text a person types. They are made to be read aloud, and can't be guessed."""

import secrets
import unicodedata

# No 0 or O, no 1, I or L: what is left can't be misread.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def generate(length: int) -> str:
    """Draw a code of `length` characters from a cryptographic source.

    Each character is drawn by itself, so there are 31 ** length possible codes.
    """
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


_BYTES = bytes(range(256))
# As many whole alphabets as fit into a byte. The bytes left over are thrown away: they would make
# some characters likelier than others.
_FITTING = 256 - 256 % len(ALPHABET)
_CHARACTERS = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in _BYTES)


def draw(count: int) -> str:
    """Draw so many characters, as random as those of `generate`, for codes by the thousand."""
    drawn = b""
    while len(drawn) < count:
        drawn += secrets.token_bytes(count - len(drawn) + 16).translate(
            _CHARACTERS, _BYTES[_FITTING:]
        )
    return drawn[:count].decode()


def comparable(code: str) -> str:
    """Return the form in which two codes are the same code.

    It ignores case, and how accents were typed.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", code).casefold())
