"""Codes as people type them."""

import unicodedata


def comparable(code: str) -> str:
    """Return the form in which two codes are the same code.

    Case makes no difference, nor does it how accents were typed.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", code).casefold())
