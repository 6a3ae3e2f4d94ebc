"""POST /api/vouchers/refund/: a purchase with credit is taken back whole, once."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import AdminChange, Voucher, VoucherPurchase

from ..support.payments import Buyer
from ..support.refusals import refusal
from ..support.vouchers import NOBODYS, PATH, bought, buy, fields, redeem, sell

pytestmark = pytest.mark.both_databases


def refund(person, voucher, **options):
    body = {"voucher_id": voucher["id"], "reason": "changed my mind"}
    return person.post(f"{PATH}/refund/", json=body, **options)


def make_older(voucher, age):
    # Tokens live an hour: the purchase is made older instead of time going on.
    purchase_id = sa.select(Voucher.purchase_id).where(Voucher.id == UUID(voucher["id"]))
    with transaction():
        db.session.execute(
            sa.update(VoucherPurchase)
            .where(VoucherPurchase.id.in_(purchase_id))
            .values(created_at=clock.now() - age),
            execution_options={"synchronize_session": False},
        )


def test_all_of_the_purchase_comes_back_once_and_the_answer_stays_the_same(carol, kind, shop):
    coupon = shop.new(discount=50, maxUsage=1)
    one, two = bought(carol, kind, quantity=2, discount_code=coupon["code"])
    (other,) = bought(carol, kind)

    first = refund(carol, two)
    bought(carol, kind)
    again = refund(carol, one, headers={"Idempotency-Key": "k"})

    assert first.status_code == again.status_code == 200
    assert set(first.json) == {"message", "vouchers", "credit"}
    assert [voucher["id"] for voucher in first.json["vouchers"]] == [one["id"], two["id"]]
    assert {voucher["status"] for voucher in first.json["vouchers"]} == {"cancelled"}
    assert first.json["credit"] == 9000
    assert again.json == first.json
    assert shop.use(coupon) == 0
    assert carol.get("/api/auth/profile/").json["credit"] == 8000
    assert refusal(redeem(carol, one), "vouchers") == (400, "voucher_cancelled")
    assert redeem(carol, other).status_code == 200


def test_revenue_is_less_what_came_back(carol, admin, kind):
    (one,) = bought(carol, kind)
    bought(carol, kind)
    assert refund(carol, one).status_code == 200

    assert admin.get("/api/analytics/dashboard/").json["revenue"] == {"USD": 10}


def test_who_has_used_any_of_it_or_comes_too_late_keeps_it(carol, alice, admin, voucher_books):
    kind = sell(admin, max_uses=2)
    used, unused = bought(carol, kind, quantity=2)
    redeem(carol, used)
    (late,), (late_and_used,) = bought(carol, kind), bought(carol, kind)
    redeem(carol, late_and_used)
    for voucher in (late, late_and_used):
        make_older(voucher, timedelta(days=14))
    (early,) = bought(carol, kind)
    make_older(early, timedelta(days=14, minutes=-1))
    before = voucher_books()

    for who in (carol, admin):
        for voucher in (used, unused, late_and_used):
            assert refusal(refund(who, voucher), "vouchers") == (409, "voucher_used")
    assert refusal(refund(carol, late), "vouchers") == (409, "refund_period_over")
    for voucher in (unused, {"id": NOBODYS}):
        assert refusal(refund(alice, voucher), "vouchers") == (404, "voucher_not_found")
    assert set(fields(carol.post(f"{PATH}/refund/", json={"reason": "", "x": 1}))) == {
        "voucher_id",
        "reason",
        "x",
    }

    assert voucher_books() == before
    assert refund(carol, early).status_code == 200
    assert refund(admin, late).status_code == 200
    # What owners do with their own vouchers is no change of an administrator.
    noted = db.session.query(AdminChange).filter_by(table_name="voucher_purchases").one()
    assert (noted.account_id, noted.before) == (admin.id, {"is_refunded": False})
    assert noted.after == {"is_refunded": True, "reason": "changed my mind"}


def test_what_was_bought_by_card_is_refunded_as_a_payment(buyer, exam, admin, stripe):
    paid = buyer.bought(exam)

    for who in (buyer, Buyer(admin, stripe)):
        answer = refund(who.person, paid["vouchers"][0])
        assert refusal(answer, "vouchers") == (409, "paid_by_card")
    assert buyer.status(paid) == "completed"


def test_what_cost_nothing_is_taken_back_too(alice, admin):
    free = sell(admin, price=0)
    (voucher,) = bought(alice, free)

    assert refund(alice, voucher).json["credit"] == 100
    assert buy(alice, free).status_code == 201
