"""What the audit finds where payments, goods and discounts do not agree."""

import pytest
import sqlalchemy as sa

from coupon_management_flask.audit import rules
from coupon_management_flask.core import clock, wallet
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import (
    LedgerEntry,
    OrderRedemption,
    PaymentDebt,
    PaymentReturn,
    PaymentTransaction,
    Voucher,
    VoucherPurchase,
)

SPOILS = {
    "a purchase that is not there": (
        "vouchers",
        lambda: [sa.delete(Voucher), sa.delete(VoucherPurchase)],
        "it is completed, and what it paid for is not there",
    ),
    "a purchase of another price": (
        "vouchers",
        lambda: [sa.update(PaymentTransaction).values(amount=1)],
        "it is completed, and what it paid for is not there",
    ),
    "vouchers cancelled without a refund": (
        "vouchers",
        lambda: [
            sa.update(VoucherPurchase).values(refunded_at=clock.now()),
            sa.update(Voucher).values(cancelled_at=clock.now()),
        ],
        "it is completed, and what it paid for is not there",
    ),
    "a purchase that nobody paid": (
        "vouchers",
        lambda: [sa.update(PaymentTransaction).values(status="cancelled", completed_at=None)],
        "it was paid neither with credit nor by a payment that is completed",
    ),
    "credit that was not given": (
        "top-up",
        lambda: [
            sa.update(LedgerEntry).where(LedgerEntry.reason == "top-up").values(reference=None)
        ],
        "it is completed, and what it paid for is not there",
    ),
    "credit that nobody paid": (
        "top-up",
        lambda: [sa.update(PaymentTransaction).values(status="cancelled", completed_at=None)],
        "it is not completed or was one",
    ),
    "credit that stayed after a refund": (
        "top-up",
        lambda: [sa.update(PaymentTransaction).values(status="refunded")],
        "it is refunded, and the wallet has 250 credits of it",
    ),
    "a debt for money that is here": (
        "top-up",
        lambda: [
            sa.insert(PaymentDebt).from_select(
                ["transaction_id", "account_id", "amount", "currency", "created_at"],
                sa.select(
                    PaymentTransaction.id,
                    PaymentTransaction.account_id,
                    sa.literal(7),
                    sa.literal("USD"),
                    PaymentTransaction.created_at,
                ),
            )
        ],
        "it is completed, and something is owed",
    ),
    "a refund that nobody added up": (
        "top-up",
        lambda: [
            sa.insert(PaymentReturn).from_select(
                [
                    "id",
                    "transaction_id",
                    "kind",
                    "status",
                    "amount",
                    "currency",
                    "created_at",
                    "updated_at",
                ],
                sa.select(
                    sa.literal("re_1"),
                    PaymentTransaction.id,
                    sa.literal("refund"),
                    sa.literal("done"),
                    sa.literal(7),
                    sa.literal("USD"),
                    PaymentTransaction.created_at,
                    PaymentTransaction.created_at,
                ),
            )
        ],
        "it says that 0 went back, and its refunds say 7",
    ),
    "vouchers that are frozen without a dispute": (
        "vouchers",
        lambda: [sa.update(Voucher).values(frozen_at=clock.now())],
        "it is completed, and what it paid for is not there",
    ),
    "a discount that was given back while money is waited for": (
        "held",
        lambda: [sa.update(OrderRedemption).values(order_key=None, rolled_back_at=clock.now())],
        "its discount is not what it should be",
    ),
    "a discount that is kept without money": (
        "held",
        lambda: [sa.update(PaymentTransaction).values(status="cancelled", due_at=None)],
        "its discount is not what it should be",
    ),
    "money for nothing": (
        "held",
        lambda: [sa.update(PaymentTransaction).values(problem="another_amount")],
        "Stripe took money for it that is not what was asked for (another_amount)",
    ),
}


@pytest.mark.parametrize("spoiled", SPOILS)
def test_the_audit_names_what_does_not_add_up(buyer, exam, shop, rolled_back, spoiled):
    what, spoil, says = SPOILS[spoiled]
    if what == "vouchers":
        buyer.bought(exam)
    elif what == "top-up":
        buyer.bought(credit_amount=250)
    else:
        buyer.intent(exam, discount_code=shop.new(discount=50, currency="USD")["code"])

    with rolled_back():
        for statement in spoil():
            db.session.execute(statement)
        found = list(rules.discrepancies())

    assert [sentence for sentence in found if says in sentence], found


def test_notes_are_told_beside_books_that_add_up(buyer, stripe, app):
    bought = buyer.bought(credit_amount=100)
    with transaction():
        wallet.debit(buyer.person.id, 107, reason="a test")
    buyer.hear(stripe.refund_on_dashboard(bought["payment_intent_id"]))

    ran = app.test_cli_runner().invoke(args=["audit"])

    assert ran.exit_code == 0
    assert ran.output.splitlines()[1:] == ["The books add up."]
    assert ran.output.startswith(
        f"note: {buyer.person.id} owes 0.07 USD for payment {bought['transaction_id']}"
    )
