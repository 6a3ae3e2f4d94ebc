"""Text for files that people open in a spreadsheet."""

# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def no_formula(text: str) -> str:
    """Return somebody else's text as a cell of a CSV file that is shown and never computed."""
    return f"'{text}" if text.startswith(_FORMULAS) else text
