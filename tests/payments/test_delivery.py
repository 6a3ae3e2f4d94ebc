"""payments/sales: what is held and given back, what is delivered once, and what cancels it."""

from contextlib import suppress
from datetime import timedelta
from threading import Barrier, Thread
from uuid import UUID

import pytest
import sqlalchemy as sa

from coupon_management_flask.audit import rules
from coupon_management_flask.core import errors, wallet
from coupon_management_flask.core.clock import rfc3339
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import OrderRedemption, Voucher, VoucherPurchase, new_id
from coupon_management_flask.payments.sales import delivery, discounts, quotes
from coupon_management_flask.payments.sales.delivery import Sale
from coupon_management_flask.vouchers import vouchers

from ..support.refusals import refusal
from ..support.vouchers import PATH, bought, redeem, sell

pytestmark = pytest.mark.both_databases


@pytest.fixture
def paid(carol, kind):
    """Return a function that delivers a purchase of two vouchers, for which nothing is paid."""

    def deliver(purchase_id):
        with transaction():
            return delivery.deliver(
                Sale(
                    purchase_id=purchase_id,
                    buyer_id=carol.id,
                    voucher_type_id=UUID(kind["id"]),
                    quantity=2,
                    unit_price=0,
                    discount=0,
                    total=0,
                    currency="USD",
                    credits=0,
                )
            )

    return deliver


def pay(person, purchase_id):
    with transaction():
        wallet.debit(person.id, 0, reason="voucher", reference=purchase_id)


def test_a_purchase_is_delivered_once_however_often_it_is_asked_for(
    carol, admin, kind, paid, voucher_books
):
    purchase_id = new_id()
    pay(carol, purchase_id)
    first = paid(purchase_id)
    before = voucher_books()

    admin.delete(f"{PATH}/types/{kind['id']}/")
    assert [voucher.code for voucher in paid(purchase_id)] == [voucher.code for voucher in first]

    assert {**voucher_books(), "voucher_types": []} == {**before, "voucher_types": []}
    assert [voucher.code for voucher in vouchers.list_of_purchase(purchase_id)] == [
        voucher.code for voucher in first
    ]
    assert [voucher["id"] for voucher in carol.get(f"{PATH}/my-vouchers/").json["results"]] == [
        str(voucher.id) for voucher in first[::-1]
    ]
    assert {rfc3339(voucher.expiry_date - timedelta(days=365)) for voucher in first} == {
        rfc3339(first[0].purchase_date)
    }


def test_of_several_deliveries_at_once_each_has_the_same_vouchers(app, carol, paid):
    purchase_id, together, found = new_id(), Barrier(4), []
    pay(carol, purchase_id)

    def run():
        with app.app_context():
            together.wait(timeout=20)
            found.append([voucher.code for voucher in paid(purchase_id)])

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert found == [found[0]] * 4
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Voucher)) == 2


def test_a_type_that_is_off_sale_is_delivered_to_who_has_paid(carol, admin, kind, paid):
    admin.delete(f"{PATH}/types/{kind['id']}/")
    purchase_id = new_id()
    pay(carol, purchase_id)

    assert {voucher.status for voucher in paid(purchase_id)} == {"active"}


def test_a_cancelled_purchase_is_not_redeemed_until_it_is_restored(carol, admin, voucher_books):
    one, other = bought(carol, sell(admin, max_uses=2), quantity=2)
    (untouched,) = bought(carol, sell(admin))
    purchase_id = db.session.scalar(
        sa.select(Voucher.purchase_id).where(Voucher.id == UUID(one["id"]))
    )
    with transaction():
        assert delivery.is_unused(purchase_id)
    redeem(carol, other)
    with transaction():
        assert not delivery.is_unused(purchase_id)
    before = voucher_books()

    with transaction():
        delivery.cancel(purchase_id)
    cancelled = voucher_books()
    with transaction():
        delivery.cancel(purchase_id)

    assert voucher_books() == cancelled
    assert (
        db.session.scalar(
            sa.select(VoucherPurchase.refunded_at).where(VoucherPurchase.id == purchase_id)
        )
        is not None
    )
    assert [refusal(redeem(carol, voucher), "vouchers") for voucher in (one, other)] == [
        (400, "voucher_cancelled")
    ] * 2
    with transaction():
        delivery.change(purchase_id, is_cancelled=False, lost=0)
    assert voucher_books() == before
    assert [redeem(carol, voucher).status_code for voucher in (one, other, untouched)] == [200] * 3


def test_a_held_discount_comes_back_once(carol, kind, shop, rolled_back, voucher_books):
    coupon = shop.new(maxUsage=1, limits={"perCustomer": 1, "budget": 1})
    priced = quotes.quote(carol.id, UUID(kind["id"]), 1, coupon["code"], {})
    assert (priced.unit_price, priced.discount, priced.total, priced.currency) == (
        1000,
        100,
        900,
        "USD",
    )
    before = voucher_books()
    with rolled_back():
        assert discounts.hold(priced.applied, new_id(), carol.id) is not None
    assert voucher_books() == before

    purchase_id = new_id()
    with transaction():
        held = discounts.hold(priced.applied, purchase_id, carol.id)

    order = db.session.execute(sa.select(OrderRedemption)).scalar_one()
    assert (order.id, order.order_id, order.discount, order.account_id) == (
        held,
        str(purchase_id),
        100,
        carol.id,
    )
    assert shop.use(coupon) == 1
    with pytest.raises(errors.Exhausted), transaction():
        discounts.hold(priced.applied, new_id(), carol.id)
    with pytest.raises(errors.FieldRefused, match="field_refused") as refused:
        quotes.quote(carol.id, UUID(kind["id"]), 1, coupon["code"], {})
    assert refused.value.refusal.name == "usage_limit_exceeded"
    for _ in range(2):
        discounts.give_back(held)
    assert shop.use(coupon) == 0
    with transaction():
        assert (
            discounts.hold(
                quotes.quote(carol.id, UUID(kind["id"]), 1, coupon["code"], {}).applied,
                new_id(),
                carol.id,
            )
            != held
        )


def test_what_has_no_discount_holds_nothing(carol, kind, voucher_books):
    before = voucher_books()

    with transaction():
        assert (
            discounts.hold(
                quotes.quote(carol.id, UUID(kind["id"]), 2, None, {}).applied, new_id(), carol.id
            )
            is None
        )

    assert voucher_books() == before


def books_after(statement):
    """Return what the audit says after a statement, and undo the statement."""
    told = []
    with suppress(ZeroDivisionError), transaction():
        db.session.execute(sa.text(statement))
        told.extend(rules.discrepancies())
        raise ZeroDivisionError
    return sorted(" ".join(sentence.split()[:2]) for sentence in told)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE voucher_purchases SET quantity = 3, total = total + unit_price",
            ["voucher purchase"] * 2,
        ),
        (
            "UPDATE vouchers SET position = position + 10, cancelled_at = purchase_date",
            ["voucher purchase"],
        ),
        ("UPDATE voucher_purchases SET refunded_at = created_at", ["voucher purchase"] * 3),
        ("UPDATE voucher_purchases SET credits = credits + 1", ["voucher purchase"]),
        (
            "UPDATE ledger_entries SET reason = 'other' WHERE reason = 'voucher'",
            ["voucher purchase"],
        ),
        (
            "UPDATE ledger_entries SET reason = 'voucher' WHERE reason <> 'voucher'",
            ["ledger entry"],
        ),
        (
            "UPDATE voucher_purchases SET unit_price = unit_price + 1, total = total + quantity",
            ["voucher purchase"],
        ),
        ("DELETE FROM voucher_usages", ["redemption"]),
        (
            "UPDATE redemptions SET kind = 'credit' WHERE kind = 'voucher'",
            ["redemption", "voucher usage"],
        ),
        ("UPDATE stocks SET claimed = 0 WHERE id IN (SELECT stock_id FROM vouchers)", ["stock"]),
    ],
)
def test_what_does_not_add_up_is_found(carol, kind, shop, statement, said):
    one, _ = bought(carol, kind, quantity=2, discount_code=shop.new()["code"])
    assert redeem(carol, one).status_code == 200
    assert list(rules.discrepancies()) == []

    told = books_after(statement)

    assert len(told) == len(said), told
    assert all(sentence.startswith(name) for sentence, name in zip(told, said, strict=True)), told
