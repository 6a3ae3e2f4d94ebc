"""DELETE /v1/coupons/<id>."""

from uuid import uuid4

import pytest

from ..support.envelope import invalid, meta, ok, refused, shown, shown_with_code
from ..support.people import make_coupon


def test_a_deactivated_coupon_can_not_be_used_and_is_listed_no_more(admin, alice, books):
    coupon, other = make_coupon(), make_coupon()

    ok(admin.delete(f"/v1/coupons/{coupon.id}"), {"coupons": shown_with_code(coupon, active=False)})

    before = books()
    refused(alice.post(f"/v1/coupons/use/{coupon.hidden_code}"), 400, "coupon_inactive")
    assert books() == before
    ok(alice.get("/v1/coupons"), {"coupons": [shown(other)], "meta": meta(1, 1, 1)})
    ok(
        admin.get("/v1/coupons?all=true"),
        {
            "coupons": [shown_with_code(coupon, active=False), shown_with_code(other)],
            "meta": meta(1, 1, 2),
        },
    )


def test_its_history_stays(admin, alice):
    coupon = make_coupon(value=30, number_left=5)
    redemption = alice.post(f"/v1/coupons/use/{coupon.hidden_code}").json["data"]["redemption"]
    ledger = alice.get(f"/v1/user/{alice.id}/ledger").json["data"]

    ok(
        admin.delete(f"/v1/coupons/{coupon.id}"),
        {"coupons": shown_with_code(coupon, number_left=4, active=False)},
    )

    remembered = {**redemption, "coupon": shown(coupon, number_left=4, active=False)}
    ok(alice.get("/v1/coupons/mine"), {"redemptions": [remembered], "meta": meta(1, 1, 1)})
    ok(alice.get(f"/v1/user/{alice.id}/ledger"), ledger)


def test_again_it_is_the_same(admin, books):
    coupon = make_coupon()
    ok(admin.delete(f"/v1/coupons/{coupon.id}"), {"coupons": shown_with_code(coupon, active=False)})
    before = books()

    ok(admin.delete(f"/v1/coupons/{coupon.id}"), {"coupons": shown_with_code(coupon, active=False)})
    assert books() == before


def test_it_can_be_activated_again(admin, alice):
    coupon = make_coupon(value=30)
    admin.delete(f"/v1/coupons/{coupon.id}")

    ok(
        admin.patch(f"/v1/coupons/{coupon.id}", json={"active": True}),
        {"coupons": shown_with_code(coupon)},
    )

    assert alice.post(f"/v1/coupons/use/{coupon.hidden_code}").status_code == 200


def test_its_hidden_code_stays_taken(admin):
    coupon = make_coupon()
    admin.delete(f"/v1/coupons/{coupon.id}")

    body = {
        "name": "x",
        "value": 1,
        "number_left": 1,
        "expiration_date": "2100-01-02T03:04:05Z",
        "hidden_code": coupon.hidden_code,
    }
    refused(admin.post("/v1/coupons", json=body), 409, "hidden_code_taken")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"active": true}'])
def test_a_body_is_ignored(admin, body):
    coupon = make_coupon()

    ok(
        admin.delete(f"/v1/coupons/{coupon.id}", data=body),
        {"coupons": shown_with_code(coupon, active=False)},
    )


def test_an_unknown_coupon_is_refused(admin, books):
    make_coupon()
    before = books()

    for nobody in (uuid4(), admin.id):
        refused(admin.delete(f"/v1/coupons/{nobody}"), 404, "coupon_not_found")
    assert books() == before


def test_an_id_that_is_no_uuid_is_refused(admin):
    invalid(admin.delete("/v1/coupons/7"), "coupon_id")


def test_without_a_token_and_without_the_role_nothing_is_looked_at(client, alice, books):
    coupon = make_coupon()
    before = books()

    for path in (coupon.id, uuid4(), 7):
        refused(client.delete(f"/v1/coupons/{path}"), 401, "authentication_required")
        refused(alice.delete(f"/v1/coupons/{path}"), 403, "permission_denied")
    assert books() == before
