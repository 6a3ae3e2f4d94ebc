"""Answers that are asked for often, written out by a table."""

from collections.abc import Callable, Mapping
from operator import attrgetter
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
    out of the answer. So is None in a field that is not required, where `omit_none` says so.
    With `native_ids` an id stays a UUID, which the JSON provider writes at a tenth of the price.

    Raises: TypeError, when the schema is made, for a kind of field that the table does not know.
    """

    omit_none: ClassVar[bool] = False
    native_ids: ClassVar[bool] = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        fields = {
            str(field.data_key or name): (field.attribute or name, field)
            for name, field in self.dump_fields.items()
        }
        self._names = {key: name for key, (name, _) in fields.items()}
        self._writers = [
            (key, write)
            for key, (_, field) in fields.items()
            if not (self.native_ids and isinstance(field, ma.fields.UUID))
            and (write := _writer(field)) is not None
        ]
        self._omitted = [
            key for key, (_, field) in fields.items() if self.omit_none and not field.required
        ]
        # All attributes at once cost a third of one after another.
        self._read = _reader(list(self._names.values()))

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        if self.many if many is None else many:
            return [self._written(one) for one in obj]
        return self._written(obj)

    def _written(self, obj: object) -> dict[str, object]:
        try:
            written = dict(zip(self._names, self._read(obj), strict=True))
        except AttributeError:
            written = self._known(obj)
        for key, write in self._writers:
            value = written.get(key)
            if value is not None:
                written[key] = write(value)
        for key in self._omitted:
            if written.get(key, ma.missing) is None:
                del written[key]
        return written

    def _known(self, obj: object) -> dict[str, object]:
        """Return what a mapping, or an object without some of the attributes, has to tell."""
        if isinstance(obj, Mapping):
            return {key: obj[name] for key, name in self._names.items() if name in obj}
        return {key: getattr(obj, name) for key, name in self._names.items() if hasattr(obj, name)}


def _reader(names: list[str]) -> Callable[[object], tuple[object, ...]]:
    """Make what reads these attributes of an object. Of a mapping it has to fail."""
    if len(names) < 2:
        # Of one attribute, attrgetter gives the value itself.
        return lambda obj: tuple(getattr(obj, name) for name in names)
    return attrgetter(*names)


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
