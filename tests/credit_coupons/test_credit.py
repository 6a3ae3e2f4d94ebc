"""POST /v1/user/<id>/credit."""

from uuid import uuid4

import pytest

from coupon_management_flask.audit.rules import discrepancies
from coupon_management_flask.identity import accounts

from ..support.envelope import (
    AN_ID,
    NOW,
    invalid,
    meta,
    ok,
    refused,
    user_of,
)
from ..support.people import PASSWORD, make_coupon

BODY = {"amount": 10, "reason": "gift"}


@pytest.mark.parametrize(
    ("amount", "credit"), [(1, 101), (50, 150), (1_000_000_000, 1_000_000_100), (-1, 99), (-100, 0)]
)
def test_credit_is_granted_or_taken_down_to_the_last(admin, alice, amount, credit):
    answer = admin.post(f"/v1/user/{alice.id}/credit", json={"amount": amount, "reason": "gift"})

    entry = {
        "id": AN_ID,
        "amount": amount,
        "balance_after": credit,
        "reason": "gift",
        "reference": str(admin.id),
        "created_at": NOW,
    }
    user = user_of(alice, name="Alice", credit=credit)
    ok(answer, {"user": user, "entry": entry})
    ok(alice.get(f"/v1/user/{alice.id}"), {"user": user})
    assert (
        alice.get(f"/v1/user/{alice.id}/ledger").json["data"]["entries"][0]
        == answer.json["data"]["entry"]
    )
    assert list(discrepancies()) == []


def test_it_changes_the_credit_of_that_user_alone(admin, alice, bob):
    admin.post(f"/v1/user/{alice.id}/credit", json=BODY)

    users = [
        user_of(admin, name="Admin", credit=0),
        user_of(alice, name="Alice", credit=110),
        user_of(bob, name="Bob", credit=100),
    ]
    ok(admin.get("/v1/user"), {"users": users, "meta": meta(1, 1, 3)})


def test_granted_credit_can_be_spent(admin, alice):
    coupon = make_coupon(value=110)
    refused(alice.post(f"/v1/coupons/use/{coupon.hidden_code}"), 400, "insufficient_credit")

    admin.post(f"/v1/user/{alice.id}/credit", json=BODY)

    assert alice.post(f"/v1/coupons/use/{coupon.hidden_code}").json["data"]["credit"] == 0


@pytest.mark.parametrize("amount", [-101, -1_000_000_000])
def test_credit_never_goes_below_zero(admin, alice, books, amount):
    before = books()

    refused(
        admin.post(f"/v1/user/{alice.id}/credit", json={"amount": amount, "reason": "correction"}),
        400,
        "insufficient_credit",
    )
    assert books() == before


@pytest.mark.parametrize(("field", "value"), [("amount", 0), ("reference", "gift")])
def test_a_field_that_is_wrong_or_unknown_is_refused(admin, alice, books, field, value):
    before = books()

    invalid(admin.post(f"/v1/user/{alice.id}/credit", json={**BODY, field: value}), field)
    assert books() == before


def test_a_reason_may_have_200_characters(admin, alice):
    answer = admin.post(f"/v1/user/{alice.id}/credit", json={**BODY, "reason": "x" * 200})

    assert answer.json["data"]["entry"]["reason"] == "x" * 200


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "malformed_request"),
        (b"{", "malformed_request"),
        (b"[]", "validation_error"),
        (b"10", "validation_error"),
    ],
)
def test_what_is_no_object_is_refused(admin, alice, books, body, name):
    before = books()

    refused(admin.post(f"/v1/user/{alice.id}/credit", data=body), 400, name)
    assert books() == before


@pytest.mark.parametrize("amount", [10, -10])
def test_an_unknown_user_is_refused(admin, books, amount):
    company_id = accounts.create_company(name="Shop", email="shop@example.com", password=PASSWORD)
    before = books()

    for nobody in (uuid4(), company_id):
        refused(
            admin.post(f"/v1/user/{nobody}/credit", json={**BODY, "amount": amount}),
            404,
            "user_not_found",
        )
    assert books() == before


def test_a_body_of_the_wrong_shape_is_refused_before_the_user_is_looked_for(admin):
    invalid(admin.post(f"/v1/user/{uuid4()}/credit", json={**BODY, "amount": "10"}), "amount")


def test_an_id_that_is_no_uuid_is_refused(admin):
    invalid(admin.post("/v1/user/7/credit", json=BODY), "user_id")


def test_without_a_token_and_without_the_role_nothing_is_looked_at(client, alice, books):
    before = books()

    for user_id, options in (
        (alice.id, {"json": BODY}),
        (uuid4(), {"json": BODY}),
        (7, {"data": b"{"}),
    ):
        refused(
            client.post(f"/v1/user/{user_id}/credit", **options), 401, "authentication_required"
        )
        refused(alice.post(f"/v1/user/{user_id}/credit", **options), 403, "permission_denied")
    assert books() == before
