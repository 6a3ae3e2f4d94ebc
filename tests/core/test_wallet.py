"""core/wallet.py: a balance that never goes below zero, and the ledger that explains it."""

from contextlib import suppress

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from coupon_management_flask.core import errors, wallet
from coupon_management_flask.db.failures import broken_constraint
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import LedgerEntry, new_id

from ..support.people import make_user

pytestmark = pytest.mark.both_databases


def change(account_id, amount, reason="test", reference=None):
    with transaction():
        return wallet.change(account_id, amount, reason=reason, reference=reference)


def ledger(account_id):
    """Amount, balance after it and reason of each entry, in their order."""
    entries = sa.select(LedgerEntry.amount, LedgerEntry.balance_after, LedgerEntry.reason).where(
        LedgerEntry.account_id == account_id
    )
    return [tuple(row) for row in db.session.execute(entries.order_by(LedgerEntry.id))]


def test_what_a_wallet_opens_with_is_an_entry_like_any_other(app):
    account_id, _ = make_user(credit=100)

    assert wallet.balance_of(account_id) == 100
    assert ledger(account_id) == [(100, 100, "opening balance")]


def test_a_wallet_that_opens_empty_has_an_empty_ledger(app):
    account_id, _ = make_user()

    assert wallet.balance_of(account_id) == 0
    assert ledger(account_id) == []


@pytest.mark.parametrize("credit", [-1, -100])
def test_no_wallet_opens_below_zero(app, books, credit):
    before = books()
    with pytest.raises(errors.InsufficientCredit):
        make_user(credit=credit)
    assert books() == before


@pytest.mark.books_are_wrong
def test_each_change_is_an_entry_that_cites_its_cause(app, time):
    account_id, _ = make_user(credit=100)
    cause = new_id()

    entry = change(account_id, -30, reason="coupon", reference=cause)

    told = {column.key: getattr(entry, column.key) for column in LedgerEntry.__table__.c}
    assert told == {
        "id": entry.id,
        "account_id": account_id,
        "amount": -30,
        "balance_after": 70,
        "reason": "coupon",
        "reference": cause,
        "created_at": time.moment,
    }
    assert wallet.balance_of(account_id) == 70
    kept = sa.select(LedgerEntry.__table__).where(LedgerEntry.id == entry.id)
    assert db.session.execute(kept).one()._asdict() == told


@pytest.mark.books_are_wrong
def test_a_debit_takes_and_a_credit_gives(app):
    account_id, _ = make_user(credit=100)

    with transaction():
        wallet.debit(account_id, 30, reason="coupon")
        wallet.credit(account_id, 5, reason="refund")

    assert wallet.balance_of(account_id) == 75
    assert ledger(account_id) == [
        (100, 100, "opening balance"),
        (-30, 70, "coupon"),
        (5, 75, "refund"),
    ]


def test_all_that_is_there_can_be_spent_and_not_one_credit_more(app, books):
    account_id, _ = make_user(credit=100)
    change(account_id, -100)
    assert wallet.balance_of(account_id) == 0

    before = books()
    with pytest.raises(errors.InsufficientCredit):
        change(account_id, -1)
    assert books() == before


@pytest.mark.books_are_wrong
def test_what_costs_nothing_can_be_bought_with_nothing(app):
    account_id, _ = make_user()

    with transaction():
        entry = wallet.debit(account_id, 0, reason="coupon")

    assert (entry.amount, entry.balance_after) == (0, 0)


@pytest.mark.parametrize("amount", [5, -5])
def test_an_account_without_a_wallet_is_not_found(app, books, amount):
    before = books()
    with pytest.raises(errors.NotFound):
        change(new_id(), amount)
    assert books() == before
    assert wallet.balance_of(new_id()) is None


def test_an_account_has_one_wallet(app, books):
    account_id, _ = make_user(credit=100)

    before = books()
    with pytest.raises(IntegrityError), transaction():
        wallet.open_wallet(account_id, 50)
    assert books() == before


def test_nothing_of_a_change_is_left_when_its_transaction_is_rolled_back(app, books, rolled_back):
    account_id, _ = make_user(credit=100)

    before = books()
    with rolled_back():
        wallet.debit(account_id, 30, reason="coupon")
    assert books() == before


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE wallets SET balance = -1", "balance_not_negative"),
        ("UPDATE ledger_entries SET balance_after = -1", "balance_after_not_negative"),
    ],
)
def test_the_database_refuses_a_balance_below_zero(app, books, statement, rule):
    make_user(credit=100)

    before = books()
    with pytest.raises(IntegrityError) as refused, transaction():
        db.session.execute(sa.text(statement))
    assert rule in broken_constraint(refused.value)
    assert books() == before


# The fixture is the database that the examples share; each has an account of its own.
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(opening=st.integers(0, 50), amounts=st.lists(st.integers(-40, 40), max_size=10))
def test_the_balance_is_always_the_sum_of_the_ledger(app, opening, amounts):
    account_id, _ = make_user(credit=opening)
    balance = opening
    for amount in amounts:
        with suppress(errors.InsufficientCredit):
            change(account_id, amount)
            balance += amount
        assert balance >= 0
        assert wallet.balance_of(account_id) == balance
    entries = ledger(account_id)
    running = [
        sum(amount for amount, _, _ in entries[: count + 1]) for count in range(len(entries))
    ]
    assert [balance_after for _, balance_after, _ in entries] == running
    assert sum(amount for amount, _, _ in entries) == balance


def test_of_many_debits_at_once_as_many_succeed_as_the_balance_pays(app, together):
    account_id, _ = make_user(credit=100)

    outcomes = together(*[lambda: change(account_id, -30).balance_after] * 8)

    assert sorted(outcome for outcome in outcomes if isinstance(outcome, int)) == [10, 40, 70]
    assert [type(outcome) for outcome in outcomes if not isinstance(outcome, int)] == [
        errors.InsufficientCredit
    ] * 5
    assert wallet.balance_of(account_id) == 10
    assert sum(amount for amount, _, _ in ledger(account_id)) == 10
