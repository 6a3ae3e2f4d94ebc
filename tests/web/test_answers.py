"""web/answers.py: answers written out by a table are what marshmallow would write."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import marshmallow as ma
import pytest

from coupon_management_flask.web.answers import AnswerSchema
from coupon_management_flask.web.body import Moment, NumberField

ID = "01a1fe71-d916-74a7-90b2-23dce04e7d8c"


class Part(AnswerSchema):
    amount = NumberField()


class Whole(AnswerSchema):
    id = ma.fields.UUID()
    name = ma.fields.String(attribute="title", data_key="fullName", allow_none=True)
    at = Moment()
    part = ma.fields.Nested(Part())
    parts = ma.fields.List(ma.fields.Nested(Part()))
    amounts = ma.fields.List(NumberField())


class Brief(Whole):
    omit_none = True


@dataclass(frozen=True)
class Thing:
    id: UUID
    title: str | None
    at: datetime
    part: dict[str, Decimal]
    parts: list[dict[str, Decimal]]
    amounts: list[Decimal]


THING = Thing(
    UUID(ID),
    None,
    datetime(2026, 11, 21, 12, tzinfo=UTC),
    {"amount": Decimal("1.50")},
    [{"amount": Decimal(2)}],
    [Decimal("0.25")],
)
WRITTEN = {
    "id": ID,
    "fullName": None,
    "at": "2026-11-21T12:00:00Z",
    "part": {"amount": 1.5},
    "parts": [{"amount": 2}],
    "amounts": [0.25],
}


@pytest.mark.parametrize("thing", [THING, vars(THING)])
def test_objects_and_mappings_are_written_alike(thing):
    assert Whole().dump(thing) == WRITTEN
    assert Whole(many=True).dump([thing]) == Whole().dump([thing], many=True) == [WRITTEN]


def test_what_an_object_does_not_have_is_left_out_and_none_where_it_is_said():
    assert Whole().dump({"title": None}) == {"fullName": None}
    assert Brief().dump({"title": None}) == {}


def test_a_field_that_the_table_does_not_know_is_noticed_when_the_schema_is_made():
    class Unknown(AnswerSchema):
        at = ma.fields.TimeDelta()

    with pytest.raises(TypeError, match="TimeDelta"):
        Unknown()
