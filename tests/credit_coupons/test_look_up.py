"""GET /v1/coupons/<hidden_code>."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from coupon_management_flask.core import clock

from ..support.envelope import invalid, ok, refused, shown_with_code
from ..support.people import make_coupon


def test_who_knows_the_code_sees_what_it_buys(alice):
    make_coupon()
    coupon = make_coupon(hidden_code="Spring-7", value=450, number_left=3)

    ok(alice.get("/v1/coupons/Spring-7"), {"coupons": shown_with_code(coupon)})


def test_looking_costs_nothing(alice, books):
    coupon = make_coupon(hidden_code="Spring-7")
    before = books()

    for _ in range(2):
        ok(alice.get("/v1/coupons/Spring-7"), {"coupons": shown_with_code(coupon)})
    assert books() == before


@pytest.mark.parametrize(
    ("hidden_code", "typed"),
    [
        ("Spring-7", "SPRING-7"),
        ("Spring-7", "spring-7"),
        ("Straße", "STRASSE"),
        ("ΑΘΉΝΑΣ", "αθήνας"),
        ("caf\u00e9", "CAFE\u0301"),
    ],
)
def test_codes_are_compared_without_case_and_shown_as_they_were_created(alice, hidden_code, typed):
    coupon = make_coupon(hidden_code=hidden_code)

    ok(
        alice.get(f"/v1/coupons/{quote(typed)}"),
        {"coupons": shown_with_code(coupon, hidden_code=hidden_code)},
    )


@pytest.mark.parametrize(
    "hidden_code", ["use", "two words", "100%", "a?b#c", "%2e", "7 €", "x" * 64]
)
def test_a_code_may_be_any_text_that_stands_in_a_path(alice, hidden_code):
    coupon = make_coupon(hidden_code=hidden_code)

    ok(alice.get(f"/v1/coupons/{quote(hidden_code)}"), {"coupons": shown_with_code(coupon)})


@pytest.mark.parametrize(
    "given",
    [{"active": False}, {"expiration_date": clock.now() - timedelta(days=1)}, {"number_left": 0}],
    ids=["inactive", "expired", "exhausted"],
)
def test_what_can_not_be_used_may_still_be_looked_at(alice, given):
    coupon = make_coupon(hidden_code="Spring-7", **given)

    ok(alice.get("/v1/coupons/Spring-7"), {"coupons": shown_with_code(coupon)})


@pytest.mark.parametrize(
    "typed", ["Spring-8", "Spring", "Spring-7 8", "%", "_pring-7", "x" * 65, "x" * 5000]
)
def test_an_unknown_code_is_refused(alice, typed):
    make_coupon(hidden_code="Spring-7")

    refused(alice.get(f"/v1/coupons/{quote(typed)}"), 404, "coupon_not_found")


def test_the_id_of_a_coupon_is_no_code(alice):
    refused(alice.get(f"/v1/coupons/{make_coupon().id}"), 404, "coupon_not_found")


def test_a_null_character_is_refused(alice):
    invalid(alice.get("/v1/coupons/Spring%00"), "hidden_code")


def test_without_a_token_one_is_asked_for_whether_or_not_there_is_such_a_code(client):
    make_coupon(hidden_code="Spring-7")

    for code in ("Spring-7", "Spring-8"):
        refused(client.get(f"/v1/coupons/{code}"), 401, "authentication_required")
