"""What the audit finds where a shop's books do not add up."""

from contextlib import suppress

import pytest
import sqlalchemy as sa

from coupon_management_flask.audit import rules
from coupon_management_flask.db.session import db, transaction

from ..support.discounts import items

BATCH = (
    "INSERT INTO coupon_batches (id, pattern, template, size, done, created_at)"
    " VALUES ('00000000-0000-0000-0000-000000000001', '', '{{}}', 2, {done}, CURRENT_TIMESTAMP)"
)
IN_THE_BATCH = "UPDATE discount_coupons SET batch_id = (SELECT id FROM coupon_batches)"


@pytest.fixture
def redeemed(shop):
    """An order with two codes, of which one has limits; and a rolled-back one."""
    one, two = (
        shop.new(combinable=True, limits=limits)["code"]
        for limits in ({"budget": 100, "perCustomer": 5}, {})
    )
    shop.roll_back(shop.redeem(one, customerId="c1").json["redemptionId"])
    return shop.redeem(one, two, customerId="c1", total=None, **items(("a", 1, 1000))).json[
        "redemptionId"
    ]


def found_after(statement):
    """What the audit says; then all is as it was."""
    told = []
    with suppress(ZeroDivisionError), transaction():
        for one in statement.split("; "):
            db.session.execute(sa.text(one))
        told.extend(rules.discrepancies())
        raise ZeroDivisionError
    return told


def test_books_of_ordinary_business_add_up(redeemed):
    assert list(rules.discrepancies()) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE limit_uses SET used = used + 1 WHERE rule = 'budget'", ["limit budget"]),
        (
            "UPDATE redemption_takes SET units = units + 1 WHERE rule = 'perCustomer'",
            ["limit perCustomer"],
        ),
        ("DELETE FROM redemption_takes", ["limit budget", "limit perCustomer"]),
        ("DELETE FROM limit_uses", ["limit budget", "limit perCustomer"]),
        ("DELETE FROM order_redemption_codes", ["order redemption", "order redemption"]),
        (
            "UPDATE order_redemptions SET discount = discount + 1 WHERE rolled_back_at IS NULL",
            ["order redemption"],
        ),
        (
            "UPDATE order_redemption_codes SET code = 'OTHER' WHERE position = 1",
            ["order redemption"],
        ),
        (
            "UPDATE redemptions SET claim_key = NULL, rolled_back_at = created_at "
            "WHERE rolled_back_at IS NULL",
            ["order redemption", "order redemption", "stock", "stock"],
        ),
        (f"{BATCH.format(done=1)}; {IN_THE_BATCH}", ["batch", "coupon", "coupon"]),
        (f"{BATCH.format(done=2)}; {IN_THE_BATCH}", []),
        (
            f"{BATCH.format(done=2)}; INSERT INTO coupon_import_parts (batch_id, start, body)"
            " SELECT id, 0, '' FROM coupon_batches",
            ["batch"],
        ),
    ],
)
def test_what_does_not_add_up_is_found(redeemed, statement, said):
    told = found_after(statement)

    assert len(told) == len(said), told
    for sentence, beginning in zip(sorted(told), sorted(said), strict=True):
        assert sentence.startswith(beginning)
