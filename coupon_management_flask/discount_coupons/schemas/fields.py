"""Fields that the discount contract's shapes are made of."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import marshmallow as ma
from marshmallow import validate

from ...text import codes
from ...web.answers import AnswerSchema
from ...web.body import BoundedList, BoundedSchema, QueryWhole, Text
from ...web.typed import Typed
from .names import camel

MOST_ITEMS = 10_000
# Every public coupon is tried on each of them.
MOST_ITEMS_OF_BEST = 1_000
MOST_CODES = 100
LONGEST_ID = 64


def nothing() -> None:
    """Be the default of a field that may be left out, but must not be null.

    To marshmallow, a default of None would allow null.
    """


class Wire(BoundedSchema):
    """Fields are called in camelCase by clients."""

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        if field_obj.data_key is None:
            field_obj.data_key = camel(field_name)


class Answer(Wire, AnswerSchema):
    """An answer whose fields are called in camelCase."""


class ShopId(Text):
    """The shop's own name for an order, a customer, a product or a category."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(1, LONGEST_ID, **kwargs)


class ShopIds(BoundedList[str]):
    """A set of the shop's names, in the order in which they were given first."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ShopId(), None, MOST_ITEMS, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))


def one_of(kind: type[StrEnum], **kwargs: Any) -> ma.fields.String:
    """Return a field that takes the values of an enum."""
    return ma.fields.String(validate=validate.OneOf([*map(str, kind)]), **kwargs)


def all_different(values: list[Any]) -> None:
    if len(set(values)) < len(values):
        raise ma.ValidationError("Each only once.")


class _Code(Typed):
    form = staticmethod(codes.discount)


class Code(_Code):
    """A coupon's code, stored and compared in capitals. It is ASCII before it is in capitals."""

    def __init__(self, **kwargs: Any) -> None:
        pattern = r"^[A-Za-z0-9_-]{3,20}$"
        super().__init__(
            3,
            20,
            rules=[validate.Regexp(r"[A-Za-z0-9_-]+\Z", error="Letters, digits, - and _ only.")],
            metadata={"pattern": pattern},
            **kwargs,
        )


class AnyCode(_Code):
    """A code to look for. It may be anything: what can't be a code is not found."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(1, LONGEST_ID, **kwargs)


class Codes(BoundedList[str]):
    """Codes to look for, each of them once."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(AnyCode(), 1, MOST_CODES, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))


class PageQuery(BoundedSchema):
    page = QueryWhole(1, load_default=1)
    limit = QueryWhole(1, 100, load_default=10)


class PageSchema(Wire):
    page = ma.fields.Integer(attribute="number", required=True)
    limit = ma.fields.Integer(attribute="size", required=True)
    total_pages = ma.fields.Integer(attribute="pages", required=True)
    total_results = ma.fields.Integer(attribute="total", required=True)
