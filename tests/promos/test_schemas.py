"""Which bodies and queries of the promo contract are refused, and which field is named."""

from urllib.parse import unquote

import pytest

from coupon_management_flask.promos import schemas

from ..support.faults import faults
from ..support.promos import promo_body
from .business.cases import NO_LISTS, NO_TEXTS, WRONG_TARGETS, WRONG_TERMS
from .user.shapes import NO_TEXT, Absent, replaced

NEW, CHANGES = schemas.NewPromo(), schemas.PromoChanges()
OWN_PROMOS, FEED, PAGE = schemas.OwnPromosQuery(), schemas.FeedQuery(), schemas.OffsetQuery()
COMMENT = schemas.NewComment()


def _unique(**overrides):
    return promo_body(mode="UNIQUE", **overrides)


def _without(field, body):
    return {name: value for name, value in body.items() if name != field}


# A new promo, and a change of one.


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in WRONG_TERMS.items() for value in values],
)
def test_a_term_beyond_its_bounds_or_of_another_type_is_refused(field, value):
    assert faults(NEW, promo_body(**{field: value})) == {field}
    assert faults(CHANGES, {field: value}) == {field}


@pytest.mark.parametrize(
    ("about", "target"),
    [(about, target) for about, targets in WRONG_TARGETS.items() for target in targets],
)
def test_a_target_with_a_rule_beyond_its_bounds_or_of_another_type_is_refused(about, target):
    assert faults(NEW, promo_body(target=target)) == {about}
    assert faults(CHANGES, {"target": target}) == {about}


@pytest.mark.parametrize(
    "field",
    [
        "description",
        "image_url",
        "target",
        "max_count",
        "active_from",
        "active_until",
        "mode",
        "promo_common",
        "promo_unique",
    ],
)
def test_null_is_refused_in_every_field_of_a_new_promo(field):
    assert field in faults(NEW, promo_body(**{field: None}))


@pytest.mark.parametrize("field", ["description", "target", "max_count"])
def test_null_is_refused_in_a_change_where_a_term_must_be_there(field):
    assert faults(CHANGES, {field: None}) == {field}


@pytest.mark.parametrize("field", ["description", "target", "max_count", "mode"])
def test_a_needed_field_that_is_absent_is_refused(field):
    assert field in faults(NEW, _without(field, promo_body()))


@pytest.mark.parametrize("mode", ["", "common", "unique", "Common", "COMMON ", "BOTH", *NO_TEXTS])
def test_another_mode_is_refused(mode):
    assert "mode" in faults(NEW, {**promo_body(), "mode": mode})


@pytest.mark.parametrize("value", ["", "abcd", "a" * 31, "nul\x00 in it", *NO_TEXTS])
def test_a_common_value_beyond_its_bounds_or_of_another_type_is_refused(value):
    assert "promo_common" in faults(NEW, promo_body(promo_common=value))


@pytest.mark.parametrize(
    ("about", "values"),
    [
        *(("promo_unique", values) for values in [[], ["value"] * 5001, *NO_LISTS]),
        *(
            ("promo_unique.1", ["first", value])
            for value in ["", "ab", "a" * 31, "nul\x00", None, *NO_TEXTS]
        ),
    ],
)
def test_unique_values_beyond_their_bounds_or_of_another_type_are_refused(about, values):
    assert about in faults(NEW, _unique(promo_unique=values))


@pytest.mark.parametrize(
    ("about", "body"),
    [
        ("promo_common", _without("promo_common", promo_body())),
        ("promo_unique", _without("promo_unique", _unique())),
        ("promo_unique", promo_body(promo_unique=["first"])),
        ("promo_common", _unique(promo_common="tea-10")),
        ("promo_common", {**_without("promo_common", promo_body()), "promo_unique": ["first"]}),
        ("promo_unique", {**_without("promo_unique", _unique()), "promo_common": "tea-10"}),
    ],
    ids=[
        "COMMON with none",
        "UNIQUE with none",
        "COMMON with both",
        "UNIQUE with both",
        "COMMON with the other",
        "UNIQUE with the other",
    ],
)
def test_a_mode_needs_its_values_and_forbids_the_others(about, body):
    assert faults(NEW, body) == {about}


# A company's list.


@pytest.mark.parametrize(
    "sort_by",
    [
        "",
        "active",
        "created_at",
        "ACTIVE_FROM",
        "active_from,active_until",
        "-active_from",
        "description",
    ],
)
def test_another_order_is_refused(sort_by):
    assert faults(OWN_PROMOS, {"sort_by": sort_by}) == {"sort_by"}


@pytest.mark.parametrize(
    "countries",
    [
        [""],
        ["zz"],
        ["deu"],
        ["d"],
        ["uk"],
        ["ru,"],
        [",ru"],
        ["ru,,fr"],
        ["ru, fr"],
        ["ru,zz"],
        ["ru", ""],
        ["ru", "zz"],
        ["ru;fr"],
        ["null"],
        ["\x00\x00"],
        # Two letters, and a ligature, that become SE and FI in capitals.
        ["\u017fe"],
        ["\ufb01"],
    ],
)
def test_a_country_that_does_not_exist_is_refused(countries):
    assert faults(OWN_PROMOS, {"country": countries}) == {"country"}


# Pages.


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("schema", [OWN_PROMOS, FEED, PAGE], ids=["own promos", "feed", "page"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "-1",
        "1.0",
        "1.5",
        "1e1",
        "ten",
        "x",
        "null",
        "true",
        "%201",
        "1%20",
        "%20 1",
        "%2B1",
        "0x1",
        "1_0",
        "%D9%A1",
        "%D9%A3",
        "%00",
        "1,2",
    ],
)
def test_limit_and_offset_are_whole_numbers_of_at_least_0(schema, name, value):
    assert faults(schema, {name: unquote(value)}) == {name}


# The feed.


@pytest.mark.parametrize("active", ["1", "0", "TRUE", "True", "FALSE", "yes", "null", "x", ""])
def test_active_is_true_or_false(active):
    assert faults(FEED, {"active": active}) == {"active"}


@pytest.mark.parametrize("category", ["", "\x00"])
def test_a_category_is_a_text(category):
    assert faults(FEED, {"category": category}) == {"category"}


# Comments.


@pytest.mark.parametrize(
    "text",
    [Absent, *NO_TEXT, "", "123456789", "x" * 1001, "x" * 20 + "\0", "\U0001f600" * 9],
)
def test_a_text_beyond_its_bounds_or_of_another_type_is_refused(text):
    assert faults(COMMENT, replaced({"text": "A comment of some length."}, "text", text)) == {
        "text"
    }
