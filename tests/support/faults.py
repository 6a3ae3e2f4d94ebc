"""What a schema finds wrong with a body or a query, without an application."""

from collections.abc import Iterator
from typing import Any

import marshmallow as ma


def faults(schema: ma.Schema, given: Any) -> set[str]:
    """Return the fields that are wrong, as the API names them (`target.age_from`)."""
    try:
        schema.load(given)
    except ma.ValidationError as error:
        return set(_paths(error.messages_dict))
    return set()


def _paths(messages: dict[Any, Any], above: str = "") -> Iterator[str]:
    for name, inner in messages.items():
        path = ".".join(part for part in (above, "" if name == "_schema" else str(name)) if part)
        if isinstance(inner, dict):
            yield from _paths(inner, path)
        else:
            yield path or "body"
