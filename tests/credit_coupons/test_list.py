"""GET /v1/coupons."""

from datetime import timedelta

import pytest

from coupon_management_flask.core import clock

from ..support.envelope import invalid, meta, ok, refused, shown, shown_with_code
from ..support.people import make_coupon

pytestmark = pytest.mark.both_databases


def test_users_see_what_can_be_used_by_creation_and_no_hidden_code(alice):
    first, second = make_coupon(name="b", value=50), make_coupon(name="a", value=0, number_left=0)

    answer = alice.get("/v1/coupons")

    one_page = {
        "page": 1,
        "pages": 1,
        "total_count": 2,
        "prev_page": None,
        "next_page": None,
        "has_next": False,
        "has_prev": False,
    }
    ok(answer, {"coupons": [shown(first), shown(second)], "meta": one_page})


@pytest.mark.parametrize("query", ["", "?all=false"])
def test_administrators_see_the_same_with_hidden_codes(admin, query):
    coupon = make_coupon(hidden_code="Spring-7")
    make_coupon(active=False)
    make_coupon(expiration_date=clock.now() - timedelta(seconds=1))

    ok(
        admin.get(f"/v1/coupons{query}"),
        {"coupons": [shown_with_code(coupon)], "meta": meta(1, 1, 1)},
    )


def test_administrators_see_all_of_them_when_they_ask(admin):
    coupons = [
        make_coupon(),
        make_coupon(active=False),
        make_coupon(expiration_date=clock.now() - timedelta(days=1)),
        make_coupon(number_left=0),
    ]

    ok(
        admin.get("/v1/coupons?all=true"),
        {"coupons": [shown_with_code(coupon) for coupon in coupons], "meta": meta(1, 1, 4)},
    )


@pytest.mark.parametrize(
    "given",
    [{"active": False}, {"expiration_date": clock.now() - timedelta(days=1)}],
    ids=["inactive", "expired"],
)
def test_users_do_not_see_what_can_not_be_used(alice, given):
    make_coupon(**given)

    ok(alice.get("/v1/coupons"), {"coupons": [], "meta": meta(1, 0, 0)})


def test_users_may_not_ask_for_all_of_them(alice):
    make_coupon(active=False)

    refused(alice.get("/v1/coupons?all=true"), 403, "permission_denied")


def test_a_coupon_is_seen_until_the_moment_it_expires(alice, monkeypatch):
    coupon = make_coupon(expiration_date=clock.now() + timedelta(minutes=5))

    monkeypatch.setattr(clock, "now", lambda: coupon.expiration_date - timedelta(microseconds=1))
    ok(alice.get("/v1/coupons"), {"coupons": [shown(coupon)], "meta": meta(1, 1, 1)})
    monkeypatch.setattr(clock, "now", lambda: coupon.expiration_date)
    ok(alice.get("/v1/coupons"), {"coupons": [], "meta": meta(1, 0, 0)})


def test_what_is_left_is_counted_down_by_uses(alice, bob):
    coupon = make_coupon(number_left=3)
    for person in (alice, bob):
        person.post(f"/v1/coupons/use/{coupon.hidden_code}")

    ok(alice.get("/v1/coupons"), {"coupons": [shown(coupon, number_left=1)], "meta": meta(1, 1, 1)})


def test_a_page_has_10_unless_asked_otherwise(alice):
    coupons = [shown(make_coupon()) for _ in range(11)]

    ok(
        alice.get("/v1/coupons"),
        {
            "coupons": coupons[:10],
            "meta": {
                "page": 1,
                "pages": 2,
                "total_count": 11,
                "prev_page": None,
                "next_page": 2,
                "has_next": True,
                "has_prev": False,
            },
        },
    )
    ok(
        alice.get("/v1/coupons?page=2"),
        {
            "coupons": coupons[10:],
            "meta": {
                "page": 2,
                "pages": 2,
                "total_count": 11,
                "prev_page": 1,
                "next_page": None,
                "has_next": False,
                "has_prev": True,
            },
        },
    )


def test_every_coupon_is_on_exactly_one_page(alice):
    coupons = [shown(make_coupon()) for _ in range(5)]

    for page, of_page in ((1, coupons[:2]), (2, coupons[2:4]), (3, coupons[4:])):
        ok(
            alice.get(f"/v1/coupons?per_page=2&page={page}"),
            {"coupons": of_page, "meta": meta(page, 3, 5)},
        )


@pytest.mark.parametrize(("per_page", "pages"), [(1, 3), (3, 1), (100, 1)])
def test_a_page_may_have_1_to_100(alice, per_page, pages):
    coupons = [shown(make_coupon()) for _ in range(3)]

    ok(
        alice.get(f"/v1/coupons?per_page={per_page}"),
        {"coupons": coupons[:per_page], "meta": meta(1, pages, 3)},
    )


@pytest.mark.parametrize("page", [2, 1_000_000_000])
def test_a_page_after_the_last_is_empty(alice, page):
    make_coupon()

    ok(
        alice.get(f"/v1/coupons?page={page}&per_page=100"),
        {"coupons": [], "meta": meta(page, 1, 1)},
    )


def test_a_page_out_of_bounds_is_refused(alice):
    invalid(alice.get("/v1/coupons?per_page=101"), "per_page")


def test_all_is_true_or_false(admin):
    invalid(admin.get("/v1/coupons?all=yes"), "all")


def test_without_a_token_one_is_asked_for_first(client):
    refused(client.get("/v1/coupons?page=0"), 401, "authentication_required")
