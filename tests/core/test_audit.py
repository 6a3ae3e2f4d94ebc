"""core/audit.py: every way in which the books can fail to add up is found, and named."""

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import audit, stock, wallet
from coupon_management_flask.database import db, transaction
from coupon_management_flask.models import LedgerEntry, Redemption, new_id

from ..support.people import make_coupon, make_user


def break_books(*statements):
    """What no code of ours does: somebody at the database's own prompt."""
    with transaction():
        for statement in statements:
            db.session.execute(sa.text(statement) if isinstance(statement, str) else statement)


def found():
    return sorted(audit.discrepancies())


@pytest.fixture
def used(alice):
    """A coupon of 30 credits that Alice has used once."""
    coupon = make_coupon(value=30, number_left=5)
    assert alice.post(f"/v1/coupons/use/{coupon.hidden_code}").status_code == 200
    return coupon


def redemption_id():
    return db.session.scalar(sa.select(Redemption.id))


def payment_id():
    return db.session.scalar(sa.select(LedgerEntry.id).where(LedgerEntry.reason == "coupon"))


def test_empty_books_add_up(app):
    assert found() == []


def test_books_of_ordinary_business_add_up(used, alice, bob, admin):
    bob.post(f"/v1/coupons/use/{used.hidden_code}")
    alice.post(f"/v1/coupons/use/{used.hidden_code}")
    alice.post(f"/v1/coupons/use/{make_coupon(value=0).hidden_code}")
    bob.post(f"/v1/coupons/use/{make_coupon(value=1000).hidden_code}")
    admin.patch(f"/v1/coupons/{used.id}", json={"number_left": 0})
    admin.post(f"/v1/user/{bob.id}/credit", json={"amount": -7, "reason": "correction"})
    with transaction():
        unlimited = stock.create(None)
        taken = stock.claim(unlimited, claim_key="order:1", kind="test", account_id=alice.id, units=4)
        stock.claim(unlimited, claim_key="order:2", kind="test", account_id=alice.id, units=2)
        assert stock.release(taken.redemption_id)

    assert found() == []
    assert [wallet.balance_of(person.id) for person in (alice, bob)] == [70, 63]


def test_the_audit_reads_and_writes_nothing(used, statements):
    statements.clear()

    assert found() == []

    assert len(statements) == 5
    assert all(statement.startswith("SELECT") for statement in statements)


@pytest.mark.parametrize("claimed", [0, 2, 5])
def test_a_stock_whose_count_is_not_that_of_its_redemptions_is_found(used, claimed):
    break_books(f"UPDATE stocks SET claimed = {claimed}")

    assert found() == [f"stock {used.stock_id}: claimed says {claimed}, its live redemptions say 1"]


def test_a_stock_that_counts_without_any_redemption_is_found(app):
    coupon = make_coupon()
    break_books("UPDATE stocks SET claimed = 3")

    assert found() == [f"stock {coupon.stock_id}: claimed says 3, its live redemptions say 0"]


def test_units_of_a_redemption_that_were_not_claimed_are_found(used):
    break_books("UPDATE redemptions SET units = 3")

    assert found() == [f"stock {used.stock_id}: claimed says 1, its live redemptions say 3"]


def test_a_redemption_that_was_rolled_back_without_its_units_is_found(alice):
    with transaction():
        stock_id = stock.create(5)
        stock.claim(stock_id, claim_key="order:1", kind="test", account_id=alice.id, units=2)
    break_books("UPDATE redemptions SET claim_key = NULL, rolled_back_at = created_at")

    assert found() == [f"stock {stock_id}: claimed says 2, its live redemptions say 0"]


def test_a_redemption_without_a_stock_is_found(used):
    break_books("DELETE FROM credit_coupons", "DELETE FROM stocks")

    assert found() == [f"redemption {redemption_id()}: its stock {used.stock_id} does not exist"]


@pytest.mark.parametrize("balance", [0, 69, 100])
def test_a_balance_that_is_not_the_sum_of_its_ledger_is_found(used, alice, balance):
    break_books(f"UPDATE wallets SET balance = {balance}")

    assert found() == [f"wallet of {alice.id}: balance says {balance}, its ledger says 70"]


def test_a_balance_without_any_ledger_is_found(app):
    account_id, _ = make_user()
    break_books("UPDATE wallets SET balance = 5")

    assert found() == [f"wallet of {account_id}: balance says 5, its ledger says 0"]


def test_a_ledger_entry_that_is_gone_is_found(alice):
    break_books("DELETE FROM ledger_entries")

    assert found() == [f"wallet of {alice.id}: balance says 100, its ledger says 0"]


def test_a_redemption_that_cost_something_else_than_was_paid_is_found(used):
    break_books("UPDATE redemptions SET amount = 31")

    assert found() == [f"redemption {redemption_id()}: no ledger entry paid for it"]


def test_a_redemption_that_somebody_else_paid_is_found(used, bob):
    break_books(sa.update(Redemption).values(account_id=bob.id))

    assert found() == [f"redemption {redemption_id()}: no ledger entry paid for it"]


def test_a_redemption_and_a_payment_that_do_not_know_each_other_are_both_found(used):
    break_books(sa.update(LedgerEntry).where(LedgerEntry.reason == "coupon").values(reference=new_id()))

    assert found() == [
        f"ledger entry {payment_id()}: it paid for a redemption that does not exist",
        f"redemption {redemption_id()}: no ledger entry paid for it",
    ]


def test_a_payment_whose_redemption_is_gone_is_found(used):
    break_books("DELETE FROM redemptions", "UPDATE stocks SET claimed = 0")

    assert found() == [f"ledger entry {payment_id()}: it paid for a redemption that does not exist"]


def test_a_payment_that_cites_nothing_is_found(used):
    break_books("DELETE FROM redemptions", "UPDATE stocks SET claimed = 0", "UPDATE ledger_entries SET reference = NULL")

    assert found() == [f"ledger entry {payment_id()}: it paid for a redemption that does not exist"]


def test_a_payment_whose_redemption_was_rolled_back_is_found(used):
    with transaction():
        stock.release(redemption_id())

    assert found() == [f"ledger entry {payment_id()}: it paid for a redemption that does not exist"]


def test_each_thing_that_does_not_add_up_is_a_sentence_of_its_own(used, alice, bob):
    break_books("UPDATE wallets SET balance = balance + 1", "UPDATE stocks SET claimed = 2")

    assert found() == sorted(
        [
            f"stock {used.stock_id}: claimed says 2, its live redemptions say 1",
            f"wallet of {alice.id}: balance says 71, its ledger says 70",
            f"wallet of {bob.id}: balance says 101, its ledger says 100",
        ]
    )
