"""GET /v1/user/<id>/ledger."""

from uuid import uuid4

import pytest

from coupon_management_flask.core import clock
from coupon_management_flask.identity import accounts

from ..support.envelope import AN_ID, NOW, invalid, meta, ok, refused
from ..support.people import PASSWORD, make_coupon

pytestmark = pytest.mark.both_databases

OPENING = {
    "id": AN_ID,
    "amount": 100,
    "balance_after": 100,
    "reason": "opening balance",
    "reference": None,
    "created_at": NOW,
}


def change(admin, person, amount, reason="gift"):
    """Return the entry as the answer of the change shows it."""
    answer = admin.post(f"/v1/user/{person.id}/credit", json={"amount": amount, "reason": reason})
    assert answer.status_code == 200
    return answer.json["data"]["entry"]


def test_each_change_of_the_wallet_is_an_entry_that_cites_its_cause_newest_first(alice, admin):
    redemption = alice.post(f"/v1/coupons/use/{make_coupon(value=30).hidden_code}").json["data"][
        "redemption"
    ]
    change(admin, alice, 50, "birthday")
    change(admin, alice, -120, "correction")

    entries = [
        {
            "id": AN_ID,
            "amount": -120,
            "balance_after": 0,
            "reason": "correction",
            "reference": str(admin.id),
            "created_at": NOW,
        },
        {
            "id": AN_ID,
            "amount": 50,
            "balance_after": 120,
            "reason": "birthday",
            "reference": str(admin.id),
            "created_at": NOW,
        },
        {
            "id": AN_ID,
            "amount": -30,
            "balance_after": 70,
            "reason": "coupon",
            "reference": redemption["id"],
            "created_at": NOW,
        },
        OPENING,
    ]
    ok(alice.get(f"/v1/user/{alice.id}/ledger"), {"entries": entries, "meta": meta(1, 1, 4)})


def test_a_use_that_cost_nothing_is_an_entry_too(alice):
    redemption = alice.post(f"/v1/coupons/use/{make_coupon(value=0).hidden_code}").json["data"][
        "redemption"
    ]

    free = {
        "id": AN_ID,
        "amount": 0,
        "balance_after": 100,
        "reason": "coupon",
        "reference": redemption["id"],
        "created_at": NOW,
    }
    ok(
        alice.get(f"/v1/user/{alice.id}/ledger"),
        {"entries": [free, OPENING], "meta": meta(1, 1, 2)},
    )


def test_what_was_refused_is_no_entry(alice, admin):
    refused(
        alice.post(f"/v1/coupons/use/{make_coupon(value=101).hidden_code}"),
        400,
        "insufficient_credit",
    )
    refused(
        admin.post(f"/v1/user/{alice.id}/credit", json={"amount": -101, "reason": "correction"}),
        400,
        "insufficient_credit",
    )

    ok(alice.get(f"/v1/user/{alice.id}/ledger"), {"entries": [OPENING], "meta": meta(1, 1, 1)})


def test_a_user_sees_its_own_and_an_administrator_anyones(alice, bob, admin):
    entry = change(admin, bob, 5)

    for reader in (bob, admin):
        ok(
            reader.get(f"/v1/user/{bob.id}/ledger"),
            {"entries": [entry, OPENING], "meta": meta(1, 1, 2)},
        )
    ok(admin.get(f"/v1/user/{alice.id}/ledger"), {"entries": [OPENING], "meta": meta(1, 1, 1)})
    ok(admin.get(f"/v1/user/{admin.id}/ledger"), {"entries": [], "meta": meta(1, 0, 0)})


def test_a_user_may_not_see_anothers(alice, bob, admin):
    for other in (bob, admin):
        refused(alice.get(f"/v1/user/{other.id}/ledger"), 403, "permission_denied")


def test_every_entry_is_on_exactly_one_page(alice, admin):
    newest_first = [*[change(admin, alice, amount) for amount in range(1, 11)][::-1], OPENING]
    path = f"/v1/user/{alice.id}/ledger"

    ok(alice.get(path), {"entries": newest_first[:10], "meta": meta(1, 2, 11)})
    ok(alice.get(f"{path}?page=2"), {"entries": newest_first[10:], "meta": meta(2, 2, 11)})
    ok(alice.get(f"{path}?page=3"), {"entries": [], "meta": meta(3, 2, 11)})
    ok(
        alice.get(f"{path}?per_page=4&page=3"),
        {"entries": newest_first[8:], "meta": meta(3, 3, 11)},
    )
    ok(alice.get(f"{path}?per_page=100"), {"entries": newest_first, "meta": meta(1, 1, 11)})


def test_entries_of_the_same_moment_are_ordered_all_the_same(alice, admin, monkeypatch):
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    newest_first = [change(admin, alice, amount) for amount in (1, 2, 3)][::-1]

    for page in range(3):
        ok(
            alice.get(f"/v1/user/{alice.id}/ledger?per_page=1&page={page + 1}"),
            {"entries": [newest_first[page]], "meta": meta(page + 1, 4, 4)},
        )


def test_a_page_out_of_bounds_is_refused(alice):
    invalid(alice.get(f"/v1/user/{alice.id}/ledger?per_page=0"), "per_page")


def test_a_page_out_of_bounds_is_refused_before_the_user_is_looked_for_and_that_before_whose_it_is(
    alice, bob
):
    for user_id in (uuid4(), bob.id):
        invalid(alice.get(f"/v1/user/{user_id}/ledger?page=0"), "page")
    refused(alice.get(f"/v1/user/{uuid4()}/ledger"), 404, "user_not_found")
    refused(alice.get(f"/v1/user/{bob.id}/ledger"), 403, "permission_denied")


def test_an_unknown_user_is_refused(admin):
    company_id = accounts.create_company(name="Shop", email="shop@example.com", password=PASSWORD)

    for nobody in (uuid4(), company_id):
        refused(admin.get(f"/v1/user/{nobody}/ledger"), 404, "user_not_found")


def test_an_id_that_is_no_uuid_is_refused(alice):
    invalid(alice.get("/v1/user/7/ledger"), "user_id")


def test_without_a_token_one_is_asked_for_first(client, alice):
    for path in (f"{alice.id}/ledger?page=0", f"{uuid4()}/ledger", "7/ledger"):
        refused(client.get(f"/v1/user/{path}"), 401, "authentication_required")
