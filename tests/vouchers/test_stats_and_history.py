"""GET /api/vouchers/stats/ and GET /api/vouchers/usage-history/."""

from datetime import timedelta
from uuid import UUID

from coupon_management_flask.core import clock, wallet
from coupon_management_flask.db.session import transaction
from coupon_management_flask.models import new_id
from coupon_management_flask.payments.sales import delivery
from coupon_management_flask.payments.sales.delivery import Sale

from ..support.refusals import refusal
from ..support.vouchers import PATH, bought, fields, redeem, sell, take_back
from .test_redeem import purchase_of

NOTHING = {
    "total_vouchers": 0,
    "active_vouchers": 0,
    "used_vouchers": 0,
    "expired_vouchers": 0,
    "total_value": 0,
    "total_redemptions": 0,
}


def test_who_has_nothing_is_told_so(alice, client):
    answer = alice.get(f"{PATH}/stats/")

    assert (answer.status_code, answer.json) == (200, NOTHING)
    assert alice.get(f"{PATH}/usage-history/").json == {
        "count": 0,
        "next": None,
        "previous": None,
        "results": [],
    }
    for path in ("stats", "usage-history"):
        assert refusal(client.get(f"{PATH}/{path}/"), "vouchers") == (
            401,
            "authentication_required",
        )


def test_vouchers_are_counted_by_status_and_worth_what_they_cost_without_discount(
    carol, bob, admin, shop, time_is
):
    now = clock.now()
    cheap, yearly = (
        sell(admin, price="0.10", max_uses=3, validity_days=1),
        sell(admin, price="10.25"),
    )
    time_is(now - timedelta(days=1))
    (expired,) = bought(carol, cheap)
    redeem(carol, expired)
    time_is(now)
    half = shop.new(discount=50)["code"]
    used, active, (cancelled,) = (
        *bought(carol, yearly, quantity=2, discount_code=half),
        bought(carol, yearly),
    )
    (partly,) = bought(carol, cheap)
    for voucher in (used, partly, partly, cancelled):
        assert redeem(carol, voucher).status_code == 200
    redeem(bob, bought(bob, cheap)[0])
    euros = UUID(sell(admin, currency="EUR")["id"])
    take_back(purchase_of(cancelled))
    with transaction():
        # What was bought when the operator had another currency is worth nothing in this one.
        purchase_id = wallet.debit(carol.id, 0, reason="voucher", reference=new_id()).reference
        delivery.deliver(
            Sale(
                purchase_id=purchase_id,
                buyer_id=carol.id,
                voucher_type_id=euros,
                quantity=1,
                unit_price=1000,
                discount=0,
                total=1000,
                currency="EUR",
                credits=0,
            )
        )

    assert carol.get(f"{PATH}/stats/").json == {
        "total_vouchers": 6,
        "active_vouchers": 3,
        "used_vouchers": 1,
        "expired_vouchers": 1,
        "total_value": 20.7,
        "total_redemptions": 5,
    }
    assert active["is_active"]


def test_the_history_is_ones_own_redemptions_newest_first(carol, bob, admin, time_is):
    now = clock.now()
    kind, other = (
        sell(admin, price="0.10", max_uses=5),
        sell(admin, price="0.10", service_type="other"),
    )
    (one,), (two,), (bobs,) = bought(carol, kind), bought(carol, other), bought(bob, kind)
    redeem(bob, bobs)
    uses = []
    for minutes, voucher in ((3, one), (2, two), (1, one)):
        time_is(now - timedelta(minutes=minutes))
        uses.append(redeem(carol, voucher, details={"minutes": minutes}).json["usage"])

    found = carol.get(f"{PATH}/usage-history/").json

    assert found == {"count": 3, "next": None, "previous": None, "results": uses[::-1]}
    assert set(uses[0]) == {
        "id",
        "voucher_code",
        "voucher_type",
        "service_type",
        "used_at",
        "details",
        "voucher_type_name",
        "service_data",
    }
    assert carol.get(f"{PATH}/usage-history/?page_size=1&page=2").json["results"] == [uses[1]]
    assert set(fields(carol.get(f"{PATH}/usage-history/?page_size=101"))) == {"page_size"}
    # What is off sale or cancelled has been used all the same.
    admin.delete(f"{PATH}/types/{kind['id']}/")
    take_back(purchase_of(one))
    assert [use["id"] for use in carol.get(f"{PATH}/usage-history/").json["results"]] == [
        use["id"] for use in uses[::-1]
    ]
