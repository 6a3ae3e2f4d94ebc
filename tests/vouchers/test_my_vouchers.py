"""GET /api/vouchers/my-vouchers/ and GET /api/vouchers/detail/<code>/."""

from datetime import timedelta

import pytest

from coupon_management_flask.core import clock

from ..support.refusals import refusal
from ..support.vouchers import PATH, bought, fields, redeem, sell, take_back
from .test_redeem import purchase_of

pytestmark = pytest.mark.both_databases


def listed(person, query=""):
    answer = person.get(f"{PATH}/my-vouchers/{query}")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_everybody_sees_their_own_newest_first(carol, alice, admin, kind):
    free = sell(admin, price=0)
    first = bought(carol, kind, quantity=2)
    bought(alice, free)
    (last,) = bought(carol, free)

    found = listed(carol)

    assert found == {"count": 3, "next": None, "previous": None, "results": [last, *first[::-1]]}
    pages = [listed(carol, f"?page_size=2&page={page}") for page in (1, 2, 3)]
    assert [page["results"] for page in pages] == [[last, first[1]], [first[0]], []]
    url = "http://127.0.0.1:8000/api/vouchers/my-vouchers/?page_size=2&page="
    assert [(page["count"], page["next"], page["previous"]) for page in pages] == [
        (3, f"{url}2", None),
        (3, None, f"{url}1"),
        (3, None, f"{url}2"),
    ]


def test_a_status_is_what_redeeming_would_be_refused_for(carol, admin, time_is):
    now = clock.now()
    kind = sell(admin, validity_days=1)
    time_is(now - timedelta(days=1))
    old, old_and_used = bought(carol, kind, quantity=2)
    redeem(carol, old_and_used)
    (old_and_cancelled,) = bought(carol, kind)
    time_is(now)
    (used_and_cancelled,), (used, active) = bought(carol, kind), bought(carol, kind, quantity=2)
    for voucher in (used_and_cancelled, used):
        redeem(carol, voucher)
    for voucher in (old_and_cancelled, used_and_cancelled):
        take_back(purchase_of(voucher))

    by_status = {
        "used": [used],
        "expired": [old_and_used, old],
        "cancelled": [used_and_cancelled, old_and_cancelled],
        "active": [active],
    }

    for status, of_status in by_status.items():
        found = listed(carol, f"?status={status}")
        assert found["count"] == len(of_status)
        assert [voucher["id"] for voucher in found["results"]] == [
            voucher["id"] for voucher in of_status
        ]
        for voucher in found["results"]:
            assert (voucher["status"], voucher["is_active"]) == (status, status == "active")
            assert carol.get(f"{PATH}/detail/{voucher['code']}/").json == voucher
            refused = redeem(carol, voucher)
            expected = {"active": None, "used": "voucher_used_up"}.get(status, f"voucher_{status}")
            assert refused.json.get("error_code") == expected


def test_a_query_out_of_bounds_is_refused(carol, client):
    answer = carol.get(f"{PATH}/my-vouchers/?page=0&status=Active")
    assert set(fields(answer)) == {"page", "status"}
    assert refusal(client.get(f"{PATH}/my-vouchers/"), "vouchers") == (
        401,
        "authentication_required",
    )


def test_a_voucher_is_shown_to_its_owner_by_its_code_in_any_case(carol, alice, admin, client, kind):
    (voucher,) = bought(carol, kind)

    for code in (voucher["code"], voucher["code"].lower()):
        answer = carol.get(f"{PATH}/detail/{code}/")
        assert (answer.status_code, answer.json) == (200, voucher)
    for person in (alice, admin):
        assert refusal(person.get(f"{PATH}/detail/{voucher['code']}/"), "vouchers") == (
            404,
            "voucher_not_found",
        )
    for code in ("none", "x" * 1000):
        assert refusal(carol.get(f"{PATH}/detail/{code}/"), "vouchers") == (
            404,
            "voucher_not_found",
        )
    assert set(fields(carol.get(f"{PATH}/detail/a%00b/"))) == {"code"}
    assert refusal(client.get(f"{PATH}/detail/{voucher['code']}/"), "vouchers") == (
        401,
        "authentication_required",
    )
