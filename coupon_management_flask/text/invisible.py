"""Characters that nobody sees: they come along when text is pasted."""

import unicodedata

# Codes, addresses and names are at most 254 characters long. Whatever comes along with one is not
# as long as this.
LONGEST = 1_000

# A blank or no glyph at all, though Unicode counts them among the letters, marks and symbols.
_BLANK = frozenset(
    map(
        chr,
        (
            0x034F,
            *(0x115F, 0x1160, 0x17B4, 0x17B5),
            *range(0x180B, 0x1810),
            *(0x2800, 0x3164, 0xFFA0),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
_NO_GLYPH = frozenset({"Cc", "Cf", "Zl", "Zp"})


def has_no_glyph(character: str) -> bool:
    """Return whether it is neither seen nor takes up room: zero-width, bidi and control characters.

    Line and paragraph separators are among them.
    """
    return unicodedata.category(character) in _NO_GLYPH or character in _BLANK


def _is_invisible(character: str) -> bool:
    # No key types NUL, and no contract takes it.
    return character != "\0" and (
        character.isspace() or unicodedata.category(character) == "Zs" or has_no_glyph(character)
    )


def trimmed(text: str) -> str:
    """Return the text without the white space and the invisible characters around it.

    Text of more than 1,000 characters comes back as it is.
    """
    if len(text) > LONGEST:
        return text
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start]):
        start += 1
    while start < end and _is_invisible(text[end - 1]):
        end -= 1
    return text[start:end]
