"""Vouchers in parallel: credit is spent once, and a use is redeemed once.

The last use of a discount goes to one buyer.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.discount_coupons.coupons import change
from coupon_management_flask.models import (
    OrderRedemption,
    Stock,
    Voucher,
    VoucherPurchase,
    VoucherUsage,
)
from coupon_management_flask.payments.sales import credit, delivery
from coupon_management_flask.payments.sales.credit import CreditValue
from coupon_management_flask.vouchers import types

from ..support.vouchers import PATH, take_back
from ..support.waiting import wait_until
from .track import balances

pytestmark = pytest.mark.server

BOUGHT, TOO_LITTLE = (201, None), (402, "insufficient_credit")
REDEEMED, USED_UP, CANCELLED = (200, None), (400, "voucher_used_up"), (400, "voucher_cancelled")


def sold(**terms):
    plain = {
        "name": "x",
        "description": "",
        "service_type": "exam",
        "is_active": True,
        "validity_days": 1,
        "max_uses": 1,
    }
    return types.create_type(**{"price": Decimal(1), "currency": "USD", **plain, **terms})


def buying(racer, kind, **more):
    return racer.request("POST", f"{PATH}/purchase/", {"voucher_type_id": str(kind.id), **more})


def redeeming(racer, code):
    return racer.request("POST", f"{PATH}/redeem/", {"code": code, "service_type": "exam"})


def told(answers):
    return Counter((answer.status_code, answer.json.get("error_code")) for answer in answers)


def owned(racer):
    return db.session.scalar(
        sa.select(sa.func.count()).select_from(Voucher).where(Voucher.account_id == racer.id)
    )


def a_voucher(racer, **terms):
    """Buy a voucher and return its row."""
    made = credit.purchase(
        racer.id,
        voucher_type_id=sold(**terms).id,
        quantity=1,
        attempt_limits={},
        credit_value=CreditValue(Decimal("0.01"), "USD"),
    )
    return db.session.execute(
        sa.select(Voucher.__table__).where(Voucher.id == made.vouchers[0].id)
    ).one()


def coupon(code, **terms):
    return change.create_coupon(
        code=code,
        type="fixed",
        discount=Decimal("0.50"),
        currency="USD",
        coupon_for="product",
        **terms,
    )


def test_credit_for_one_pays_for_one_of_two(track):
    kind = sold()
    users = track.users(10, credit=150)

    answers = track.at_once(buying(user, kind) for user in users for _ in range(2))

    assert told(answers) == {BOUGHT: 10, TOO_LITTLE: 10}
    assert balances(users) == [50] * 10
    assert [owned(user) for user in users] == [1] * 10


def test_one_wallet_asked_by_forty_pays_for_what_it_holds(track):
    kind = sold()
    user = track.user(credit=1000)

    answers = track.at_once(buying(user, kind, quantity=3) for _ in range(40))

    assert told(answers) == {BOUGHT: 3, TOO_LITTLE: 37}
    assert sorted(answer.json["credit"] for answer in answers if answer.status_code == 201) == [
        100,
        400,
        700,
    ]
    assert owned(user) == 9


def test_a_voucher_of_one_use_redeemed_by_thirty_at_once_is_redeemed_once(track):
    user = track.user(credit=100)
    voucher = a_voucher(user)

    answers = track.at_once([redeeming(user, voucher.code)] * 30)

    assert told(answers) == {REDEEMED: 1, USED_UP: 29}
    assert claimed_of(voucher) == 1
    assert (
        db.session.scalar(
            sa.select(sa.func.count())
            .select_from(VoucherUsage)
            .where(VoucherUsage.voucher_id == voucher.id)
        )
        == 1
    )


def test_of_thirty_on_seven_uses_seven_get_one_and_each_is_told_another_number(track):
    user = track.user(credit=100)
    voucher = a_voucher(user, max_uses=7)

    answers = track.at_once([redeeming(user, voucher.code)] * 30)

    assert told(answers) == {REDEEMED: 7, USED_UP: 23}
    assert sorted(
        answer.json["voucher"]["uses_remaining"] for answer in answers if answer.status_code == 200
    ) == list(range(7))


def claimed_of(voucher):
    return db.session.scalar(sa.select(Stock.claimed).where(Stock.id == voucher.stock_id))


def test_what_is_unused_under_the_locks_stays_unused_once_it_is_cancelled(track):
    user = track.user(credit=1000)
    for least in (0, 0, 1, 3, 10):
        voucher = a_voucher(user, max_uses=100)
        with ThreadPoolExecutor(1) as beside:
            redeeming_all = beside.submit(
                track.race, [[redeeming(user, voucher.code)] * 5 for _ in range(6)]
            )
            wait_until(lambda: claimed_of(voucher) >= least, f"{least} uses are redeemed")  # noqa: B023 - asked at once
            with transaction():
                is_unused = delivery.is_unused(voucher.purchase_id)
                take_back(voucher.purchase_id)
                claimed = claimed_of(voucher)
            answers = [answer for runner in redeeming_all.result() for answer in runner]
        assert is_unused is (claimed == 0)
        assert claimed_of(voucher) == claimed >= least
        assert told(answers) == +Counter({REDEEMED: claimed, CANCELLED: 30 - claimed})


def test_the_last_use_of_a_discount_goes_to_one_and_the_others_pay_nothing(track):
    kind, code = sold(), "LAST-USE"
    limited = coupon(code, max_usage=1)
    users = track.users(30, credit=100)

    answers = track.at_once(buying(user, kind, discount_code=code) for user in users)

    assert told(answers) == {BOUGHT: 1, (400, "usage_limit_exceeded"): 29}
    assert sorted(balances(users)) == [50] + [100] * 29
    assert db.session.scalar(sa.select(Stock.claimed).where(Stock.id == limited.stock_id)) == 1
    discounted = sa.select(VoucherPurchase.order_redemption_id).where(
        VoucherPurchase.account_id.in_([user.id for user in users])
    )
    (held,) = db.session.scalars(discounted)
    assert (
        db.session.scalar(sa.select(OrderRedemption.discount).where(OrderRedemption.id == held))
        == 50
    )


def test_a_budget_and_a_limit_of_a_customer_hold_while_wallets_are_debited(track):
    kind = sold()
    coupon("BUDGET", limits={"budget": "2"})
    coupon("EACH-ONCE", limits={"perCustomer": 1})
    users = track.users(10, credit=1000)

    answers = track.at_once(
        buying(user, kind, discount_code="BUDGET") for user in users for _ in range(2)
    )
    more = track.at_once(
        buying(user, kind, discount_code="EACH-ONCE") for user in users for _ in range(3)
    )

    assert told(answers) == {BOUGHT: 4, (400, "budget_used_up"): 16}
    assert told(more) == {BOUGHT: 10, (400, "usage_limit_exceeded"): 20}
    assert sum(balances(users)) == 10_000 - 14 * 50
