"""Text for files that people open in a spreadsheet, and from files that one has written."""

import csv
import unicodedata
from collections.abc import Iterable
from io import StringIO

from .invisible import has_no_glyph

# Without it, Excel reads a file as text of an old code page of the machine.
BYTE_ORDER_MARK = "\ufeff"
_FORMULAS = frozenset("=+-@")
_SEPARATE = ("\t", "\r", "\n")


def no_formula(text: str) -> str:
    """Return somebody else's text as a cell of a CSV file that is shown and never computed.

    A spreadsheet takes a cell for a formula that begins with one of four signs. Some look for it
    behind white space and what nobody sees, and in its wide and small forms too.
    """
    return f"'{text}" if _is_like_a_formula(text) else text


def without_guard(cell: str) -> str:
    """Return a cell of a file that somebody sends as it was before `no_formula`."""
    return cell[1:] if cell.startswith("'") and _is_like_a_formula(cell[1:]) else cell


def _is_like_a_formula(text: str) -> bool:
    if text[:1].isalnum():
        return False
    seen = (one for one in text if not (one.isspace() or has_no_glyph(one)))
    first = unicodedata.normalize("NFKC", next(seen, ""))
    return first in _FORMULAS or text.startswith(_SEPARATE)


def as_csv(lines: Iterable[Iterable[object]]) -> str:
    """Return lines of a CSV file. Texts of others among the cells are no formulas any more."""
    text = StringIO()
    csv.writer(text).writerows(
        [no_formula(cell) if isinstance(cell, str) else cell for cell in line] for line in lines
    )
    return text.getvalue()
