"""Generated codes: made to be read aloud and never guessable. text/codes.py compares them."""

import secrets

# No 0 or O, no 1, I or L: what is left can't be misread.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def generate(length: int) -> str:
    """Return a code of `length` characters, one of 31 ** length.

    Each character is drawn by itself from a cryptographic source.
    """
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


_BYTES = bytes(range(256))
# As many whole alphabets as fit into a byte. The bytes that are left over would make some
# characters likelier than others.
_FITTING = 256 - 256 % len(ALPHABET)
_CHARACTERS = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in _BYTES)


def draw(count: int) -> str:
    """Return this many characters, as random as those of `generate`, for codes by the thousand."""
    drawn = b""
    while len(drawn) < count:
        drawn += secrets.token_bytes(count - len(drawn) + 16).translate(
            _CHARACTERS, _BYTES[_FITTING:]
        )
    return drawn[:count].decode()
