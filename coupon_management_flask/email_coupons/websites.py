"""The websites that codes are given for."""

from collections.abc import Collection

from ..core import errors
from ..text import hosts


def check(website: str, allowed: Collection[str]) -> None:
    """Refuse a website that is not among those allowed. Where none is named, any is.

    Raises: Invalid.
    """
    if allowed and not hosts.is_among(website, allowed):
        raise errors.Invalid({"website": ["No codes are given for this website."]})
