"""The shapes of the promo contract.

Unknown and read-only fields are ignored. A field without a value is left out of answers.
"""

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any

import marshmallow as ma
import pycountry
from marshmallow import validate

from ..models import PromoMode
from ..web.answers import AnswerSchema
from ..web.body import BoundedList, BoundedSchema, Moment, QueryTruth, Text, Whole
from ..web.operations import Variant
from ..web.pagination import OffsetQuery
from .business.own_promos import ShownPromo, SortBy
from .business.publish import Publication
from .business.terms import Terms


class Input(BoundedSchema):
    class Meta:
        unknown = ma.EXCLUDE


# A function field does not tell apispec what it returns. These do.
_TEXT, _INTEGER = {"type": "string"}, {"type": "integer"}
_DAY = {"type": "string", "format": "date"}
_TARGET = {
    "age_from": _INTEGER,
    "age_until": _INTEGER,
    "country": _TEXT,
    "categories": {"type": "array", "items": _TEXT},
}
_AUTHOR = {"name": _TEXT, "surname": _TEXT, "avatar_url": _TEXT}
TARGET_DOC = {"x-component": "TargetShown", "type": "object", "properties": _TARGET}
AUTHOR_DOC = {
    "x-component": "Author",
    "type": "object",
    "properties": _AUTHOR,
    "required": ["name", "surname"],
}


class Output(ma.Schema):
    @ma.post_dump
    def leave_out_none(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}


@cache
def _countries() -> frozenset[str]:
    return frozenset(country.alpha_2 for country in pycountry.countries)


def _is_country(code: str) -> None:
    # Some other letters become two ASCII ones in capitals.
    if not code.isascii() or code.upper() not in _countries():
        raise ma.ValidationError("Not an ISO 3166-1 alpha-2 country code.")


_is_url = validate.URL(schemes={"http", "https"}, require_tld=False)


class Country(Text):
    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "x-component": "Country",
            "enum": sorted(_countries()),
            "description": "ISO 3166-1 alpha-2. Small letters are taken too.",
        }
        super().__init__(2, 2, rules=[_is_country], metadata=metadata, **kwargs)


class Url(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(1, 350, rules=[_is_url], metadata={"format": "uri"}, **kwargs)


class Day(ma.fields.Field[date]):
    """A day, written `YYYY-MM-DD` and in no other way."""

    default_error_messages = {"invalid": "Not a valid day (YYYY-MM-DD)."}

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> date:
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            raise self.make_error("invalid")
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise self.make_error("invalid") from error

    def _serialize(
        self, value: date | None, attr: str | None, obj: Any, **kwargs: Any
    ) -> str | None:
        return None if value is None else value.isoformat()


class TargetSchema(Input):
    age_from = Whole(0, 100)
    age_until = Whole(0, 100)
    country = Country()
    categories = BoundedList(Text(2, 20), None, 20)

    @ma.validates_schema
    def in_order(self, target: dict[str, Any], **_: Any) -> None:
        if target.get("age_from", 0) > target.get("age_until", 100):
            raise ma.ValidationError("It must not be above age_until.", "age_from")


class _Terms(Input):
    """What a new promo and a change of it share.

    Inside the service, the fields of the target are terms like the others.
    """

    description = Text(10, 300)
    image_url = Url()
    target = ma.fields.Nested(TargetSchema())
    max_count = Whole(0, 100_000_000)
    active_from = Day(metadata=_DAY)
    active_until = Day(metadata=_DAY)


def _flat(terms: dict[str, Any]) -> dict[str, Any]:
    target = terms.pop("target", None)
    if target is not None:
        # It replaces the whole target. What it does not name is not a rule any more.
        terms |= {
            name: target.get(name) for name in ("age_from", "age_until", "country", "categories")
        }
    return terms


class NewPromo(_Terms):
    description = Text(10, 300, required=True)
    target = ma.fields.Nested(TargetSchema(), required=True)
    max_count = Whole(0, 100_000_000, required=True)
    mode = ma.fields.String(required=True, validate=validate.OneOf([*PromoMode]))
    promo_common = Text(5, 30)
    promo_unique = BoundedList(Text(3, 30), 1, 5000)

    variants = MappingProxyType(
        {
            "NewCommonPromo": Variant(
                without=("promo_unique",),
                required=("promo_common",),
                where={"mode": PromoMode.COMMON},
            ),
            "NewUniquePromo": Variant(
                without=("promo_common",),
                required=("promo_unique",),
                where={"mode": PromoMode.UNIQUE},
            ),
        }
    )

    @ma.validates_schema
    def value_of_the_mode(self, promo: dict[str, Any], **_: Any) -> None:
        needed, forbidden = (
            ("promo_common", "promo_unique")
            if promo["mode"] == PromoMode.COMMON
            else ("promo_unique", "promo_common")
        )
        if needed not in promo:
            raise ma.ValidationError(f"A {promo['mode']} promo needs it.", needed)
        if forbidden in promo:
            raise ma.ValidationError(f"A {promo['mode']} promo has none.", forbidden)

    @ma.post_load
    def publication(self, promo: dict[str, Any], **_: Any) -> Publication:
        mode = PromoMode(promo.pop("mode"))
        common, unique = promo.pop("promo_common", None), promo.pop("promo_unique", None)
        return Publication(Terms(**_flat(promo)), mode, common, unique)


class PromoChanges(_Terms):
    """A change of some terms: null takes these three away, and is wrong elsewhere."""

    image_url = Url(allow_none=True)
    active_from = Day(allow_none=True, metadata=_DAY)
    active_until = Day(allow_none=True, metadata=_DAY)

    @ma.post_load
    def flat(self, changes: dict[str, Any], **_: Any) -> dict[str, Any]:
        return _flat(changes)


class PromoIdSchema(ma.Schema):
    id = ma.fields.UUID(required=True)


class TargetOutput(Output):
    age_from = ma.fields.Integer()
    age_until = ma.fields.Integer()
    country = ma.fields.String()
    categories = ma.fields.List(ma.fields.String())


_target: ma.Schema = TargetOutput()


class CompanyPromoSchema(Output):
    """A promo as its company sees it."""

    promo_id = ma.fields.UUID(required=True, attribute="id")
    company_id = ma.fields.UUID(required=True)
    company_name = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    image_url = ma.fields.String()
    target = ma.fields.Function(
        lambda shown: _target.dump(shown.promo), required=True, metadata=TARGET_DOC
    )
    max_count = ma.fields.Integer(required=True)
    active_from = Day(metadata=_DAY)
    active_until = Day(metadata=_DAY)
    mode = ma.fields.String(required=True, metadata={"enum": [*PromoMode]})
    promo_common = ma.fields.String()
    promo_unique = ma.fields.List(ma.fields.String())
    like_count = ma.fields.Integer(required=True, attribute="likes")
    used_count = ma.fields.Integer(required=True, attribute="claimed")
    active = ma.fields.Boolean(required=True)

    def get_attribute(self, obj: ShownPromo, attr: str, default: object) -> object:
        # Marshmallow would look each dotted name up step by step, which costs as much as the rest.
        source = obj if attr in ("active", "promo_unique") else obj.promo
        return getattr(source, attr, default)


class UserPromoSchema(AnswerSchema):
    """A promo as users see it. It never has a value: that is what activating is for."""

    omit_none = True
    native_ids = True

    promo_id = ma.fields.UUID(required=True, attribute="id")
    company_id = ma.fields.UUID(required=True)
    company_name = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    image_url = ma.fields.String()
    active = ma.fields.Boolean(required=True)
    is_activated_by_user = ma.fields.Boolean(required=True, attribute="is_activated")
    like_count = ma.fields.Integer(required=True, attribute="likes")
    is_liked_by_user = ma.fields.Boolean(required=True, attribute="is_liked")
    comment_count = ma.fields.Integer(required=True, attribute="comments")


class CountryCountSchema(ma.Schema):
    country = ma.fields.String(required=True)
    activations_count = ma.fields.Integer(required=True)


class StatisticsSchema(ma.Schema):
    activations_count = ma.fields.Integer(required=True)
    countries = ma.fields.List(ma.fields.Nested(CountryCountSchema()), required=True)


class NewComment(Input):
    text = Text(10, 1000, required=True)


class AuthorSchema(Output):
    name = ma.fields.String(required=True)
    surname = ma.fields.String(required=True)
    avatar_url = ma.fields.String()


_author: ma.Schema = AuthorSchema()


class CommentSchema(Output):
    id = ma.fields.UUID(required=True)
    text = ma.fields.String(required=True)
    date = Moment(required=True, attribute="created_at")
    author = ma.fields.Function(
        lambda comment: _author.dump(comment), required=True, metadata=AUTHOR_DOC
    )


class DoneSchema(ma.Schema):
    status = ma.fields.String(required=True, metadata={"enum": ["ok"]})


class ActivationSchema(ma.Schema):
    promo = ma.fields.String(required=True)


class PingSchema(ma.Schema):
    status = ma.fields.String(required=True)


# More than there are.
MOST_COUNTRIES = 300


class CountriesField(BoundedList[str]):
    """Countries as in `country=ru,fr&country=us`: repeated, comma-separated, or both."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            ma.fields.String(metadata={"pattern": "^[A-Za-z]{2}(,[A-Za-z]{2})*$"}),
            None,
            MOST_COUNTRIES,
            **kwargs,
        )
        self._country = Country()

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        texts = super()._deserialize(value, attr, data, **kwargs)
        codes = [code for text in texts for code in str(text).split(",")]
        self._length(codes)
        return [self._country.deserialize(code) for code in codes]


class OwnPromosQuery(OffsetQuery):
    sort_by = ma.fields.String(load_default=None, validate=validate.OneOf([*SortBy]))
    country = CountriesField(load_default=[], data_key="country", attribute="countries")

    @ma.post_load
    def typed(self, query: dict[str, Any], **_: Any) -> dict[str, Any]:
        sort_by = query["sort_by"]
        return {**query, "sort_by": None if sort_by is None else SortBy(sort_by)}


class FeedQuery(OffsetQuery):
    category = Text(1, 1000, load_default=None)
    active = QueryTruth(load_default=None)
