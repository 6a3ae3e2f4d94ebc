"""GET /v1/coupons/mine."""

from datetime import timedelta

from coupon_management_flask.core import clock

from ..support.envelope import invalid, meta, ok, refused
from ..support.people import make_coupon


def use(person, coupon):
    """Return the redemption as the answer of the use shows it."""
    answer = person.post(f"/v1/coupons/use/{coupon.hidden_code}")
    assert answer.status_code == 200
    return answer.json["data"]["redemption"]


def test_a_user_sees_what_it_bought_newest_first(alice):
    redemptions = [use(alice, make_coupon(value=value)) for value in (30, 0, 20)]

    ok(alice.get("/v1/coupons/mine"), {"redemptions": redemptions[::-1], "meta": meta(1, 1, 3)})


def test_newest_is_what_was_bought_last_and_not_what_was_created_last(alice):
    older, newer = make_coupon(), make_coupon()
    first, second = use(alice, newer), use(alice, older)

    ok(alice.get("/v1/coupons/mine"), {"redemptions": [second, first], "meta": meta(1, 1, 2)})


def test_nobody_sees_what_others_bought(alice, bob, admin):
    redemption = use(alice, make_coupon())

    ok(alice.get("/v1/coupons/mine"), {"redemptions": [redemption], "meta": meta(1, 1, 1)})
    for other in (bob, admin):
        ok(other.get("/v1/coupons/mine"), {"redemptions": [], "meta": meta(1, 0, 0)})


def test_the_coupon_is_shown_as_it_is_now_and_the_credit_as_it_was_spent(alice, bob, admin):
    coupon = make_coupon(value=30, number_left=5)
    redemption = use(alice, coupon)
    use(bob, coupon)
    changes = {
        "name": "renamed",
        "value": 70,
        "expiration_date": "2026-01-02T03:04:05Z",
        "active": False,
        "hidden_code": "another",
    }
    assert admin.patch(f"/v1/coupons/{coupon.id}", json=changes).status_code == 200

    shown = {
        "id": str(coupon.id),
        "name": "renamed",
        "value": 70,
        "number_left": 3,
        "expiration_date": "2026-01-02T03:04:05Z",
        "active": False,
    }
    ok(
        alice.get("/v1/coupons/mine"),
        {
            "redemptions": [{**redemption, "coupon": shown, "credit_spent": 30}],
            "meta": meta(1, 1, 1),
        },
    )


def test_a_refused_use_is_not_among_them(alice):
    coupon = make_coupon(expiration_date=clock.now() - timedelta(days=1))
    refused(alice.post(f"/v1/coupons/use/{coupon.hidden_code}"), 400, "coupon_expired")

    ok(alice.get("/v1/coupons/mine"), {"redemptions": [], "meta": meta(1, 0, 0)})


def test_every_use_is_on_exactly_one_page(alice):
    newest_first = [use(alice, make_coupon(value=1)) for _ in range(11)][::-1]

    ok(alice.get("/v1/coupons/mine"), {"redemptions": newest_first[:10], "meta": meta(1, 2, 11)})
    ok(
        alice.get("/v1/coupons/mine?page=2"),
        {"redemptions": newest_first[10:], "meta": meta(2, 2, 11)},
    )
    ok(alice.get("/v1/coupons/mine?page=3"), {"redemptions": [], "meta": meta(3, 2, 11)})
    ok(
        alice.get("/v1/coupons/mine?per_page=4&page=3"),
        {"redemptions": newest_first[8:], "meta": meta(3, 3, 11)},
    )
    ok(
        alice.get("/v1/coupons/mine?per_page=100"),
        {"redemptions": newest_first, "meta": meta(1, 1, 11)},
    )


def test_what_is_bought_at_the_same_moment_is_ordered_all_the_same(alice, monkeypatch):
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    newest_first = [use(alice, make_coupon(value=1)) for _ in range(4)][::-1]

    for page in range(4):
        ok(
            alice.get(f"/v1/coupons/mine?per_page=1&page={page + 1}"),
            {"redemptions": [newest_first[page]], "meta": meta(page + 1, 4, 4)},
        )


def test_a_page_out_of_bounds_is_refused(alice):
    invalid(alice.get("/v1/coupons/mine?page=x"), "page")


def test_without_a_token_one_is_asked_for_first(client):
    refused(client.get("/v1/coupons/mine?page=0"), 401, "authentication_required")
