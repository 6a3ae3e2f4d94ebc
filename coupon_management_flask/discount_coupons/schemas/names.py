"""What clients call things."""

from collections.abc import Mapping, Sequence

from ...core import errors


def camel(name: str) -> str:
    """Return a field's name as clients write it."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def invalid(fields: Mapping[str, Sequence[str]]) -> errors.Invalid:
    """Return an Invalid that calls its fields as clients do."""
    return errors.Invalid({camel(name): said for name, said in fields.items()})
