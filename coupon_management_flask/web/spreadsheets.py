"""Files that people open in a spreadsheet."""

# To a spreadsheet, what begins so is a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def no_formula(text: str) -> str:
    """Text that somebody else wrote, for a cell of a CSV file: shown, never computed."""
    return f"'{text}" if text.startswith(_FORMULAS) else text
