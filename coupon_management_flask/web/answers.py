"""Answers that are asked for often, written out by a table."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import marshmallow as ma

from ..core.clock import rfc3339
from ..core.money import number
from .body import Moment, NumberField

Write = Callable[[Any], Any]


class AnswerSchema(ma.Schema):
    """Write answers out by a table that is made once, when the schema is.

    Going through its fields one by one, marshmallow takes as long to dump an answer as the use
    case takes to find it. The table has a line for each field: the key in the JSON, the name in
    the object, and what turns its value into JSON.

    An object is a mapping, or has its values as attributes. A value that it does not have is left
    out of the answer, and so is None where `omit_none` says so.

    Raises: TypeError, when the schema is made, for a kind of field that the table does not know.
    """

    omit_none: ClassVar[bool] = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._table = [
            (str(field.data_key or name), field.attribute or name, _writer(field))
            for name, field in self.dump_fields.items()
        ]

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        if self.many if many is None else many:
            return [self._written(one) for one in obj]
        return self._written(obj)

    def _written(self, obj: object) -> dict[str, object]:
        written: dict[str, object] = {}
        is_mapping = isinstance(obj, Mapping)
        for key, name, write in self._table:
            value = (
                obj.get(name, ma.missing)  # type: ignore[attr-defined]
                if is_mapping
                else getattr(obj, name, ma.missing)
            )
            if value is None:
                if not self.omit_none:
                    written[key] = None
            elif value is not ma.missing:
                written[key] = value if write is None else write(value)
        return written


def _writer(field: ma.fields.Field[Any]) -> Write | None:
    """Find what turns a field's values into JSON; None where they are JSON already."""
    match field:
        case NumberField():
            return number
        case Moment():
            return rfc3339
        case ma.fields.UUID():
            return str
        case ma.fields.Nested():
            return field.schema.dump
        case ma.fields.List():
            write = _writer(field.inner)
            return None if write is None else lambda values: [write(value) for value in values]
        case ma.fields.String() | ma.fields.Integer() | ma.fields.Boolean():
            return None
    raise TypeError(f"{type(field).__name__} can't be written out")
