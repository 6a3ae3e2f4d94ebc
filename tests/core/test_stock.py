"""core/stock.py: a limited thing, of which every unit is taken once."""

from contextlib import suppress

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from coupon_management_flask.core import errors, stock
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.failures import broken_constraint
from coupon_management_flask.db.held_commit import held_commit
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import Redemption, Stock, new_id

from ..support import people
from ..support.people import make_user

pytestmark = pytest.mark.both_databases


@pytest.fixture
def account(app):
    return make_user()[0]


def make_stock(capacity):
    with transaction():
        return stock.create(capacity)


def claim(stock_id, account_id, **given):
    with transaction():
        return people.claim(stock_id, account_id, **given)


def release(redemption_id):
    with transaction():
        return stock.release(redemption_id)


def set_left(stock_id, left):
    with transaction():
        stock.set_left(stock_id, left)


def in_stock(stock_id):
    """Capacity and claimed."""
    return tuple(
        db.session.execute(
            sa.select(Stock.capacity, Stock.claimed).where(Stock.id == stock_id)
        ).one()
    )


def live_units(stock_id):
    return db.session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Redemption.units), 0)).where(
            Redemption.stock_id == stock_id, Redemption.rolled_back_at.is_(None)
        )
    )


def test_a_claim_takes_its_units_and_writes_the_redemption_that_proves_it(account, time):
    stock_id, redemption_id = make_stock(10), new_id()

    claimed = claim(
        stock_id,
        account,
        claim_key="order:7",
        units=3,
        code="AbC",
        amount=1250,
        currency="EUR",
        redemption_id=redemption_id,
    )

    assert claimed == stock.Claimed(redemption_id, time.moment, claimed=3, capacity=10)
    assert in_stock(stock_id) == (10, 3)
    written = db.session.execute(sa.select(Redemption.__table__)).one()._asdict()
    assert written == {
        "id": redemption_id,
        "stock_id": stock_id,
        "claim_key": "order:7",
        "units": 3,
        "kind": "promo",
        "account_id": account,
        "code": "AbC",
        "amount": 1250,
        "currency": "EUR",
        "created_at": time.moment,
        "rolled_back_at": None,
    }


def test_a_limit_of_n_gives_n_claims_and_not_one_more(account, books):
    stock_id = make_stock(3)
    assert [claim(stock_id, account).claimed for _ in range(3)] == [1, 2, 3]

    before = books()
    with pytest.raises(errors.Exhausted):
        claim(stock_id, account)
    assert books() == before


def test_a_claim_of_more_units_than_are_left_takes_none_of_them(account, books):
    stock_id = make_stock(5)
    claim(stock_id, account, units=3)

    before = books()
    with pytest.raises(errors.Exhausted):
        claim(stock_id, account, units=3)
    assert books() == before
    assert claim(stock_id, account, units=2).claimed == 5


def test_nothing_is_left_of_a_stock_that_does_not_exist(account, books):
    before = books()
    with pytest.raises(errors.Exhausted):
        claim(new_id(), account)
    assert books() == before


def test_an_unlimited_stock_counts_and_never_refuses(account):
    stock_id = make_stock(None)

    claim(stock_id, account, units=1_000_000)

    claimed = claim(stock_id, account)
    assert (claimed.claimed, claimed.capacity) == (1_000_001, None)


def test_a_claim_key_is_used_once_for_each_stock(account, books):
    stock_id, key = make_stock(5), stock.once_each_user(account)
    claim(stock_id, account, claim_key=key)

    before = books()
    with pytest.raises(errors.AlreadyClaimed):
        claim(stock_id, account, claim_key=key)
    assert books() == before
    claim(make_stock(5), account, claim_key=key)


def test_one_users_claim_is_not_anothers(account):
    stock_id, other = make_stock(5), make_user()[0]

    claim(stock_id, account, claim_key=stock.once_each_user(account))

    assert claim(stock_id, other, claim_key=stock.once_each_user(other)).claimed == 2


def test_a_claim_is_refused_when_the_condition_on_the_offer_does_not_hold(account, books):
    stock_id, offer = make_stock(5), make_stock(0)
    offers = sa.alias(Stock.__table__, "offers")
    offer_has_some = sa.exists().where(offers.c.id == offer, offers.c.capacity > 0)

    before = books()
    with pytest.raises(errors.Exhausted):
        claim(stock_id, account, only_if=offer_has_some)
    assert books() == before

    set_left(offer, 1)
    assert claim(stock_id, account, only_if=offer_has_some).claimed == 1


@pytest.mark.parametrize("only_if", [None, sa.literal(1) == 1])
def test_a_claim_is_one_statement_on_postgresql_and_two_on_sqlite(account, statements, only_if):
    stock_id = make_stock(5)
    # The first of a connection is prepared.
    claim(stock_id, account, only_if=only_if)
    statements.clear()

    claim(stock_id, account, only_if=only_if)

    assert [statement.split()[0] for statement in statements] == (
        ["EXECUTE"] if is_postgresql() else ["UPDATE", "INSERT"]
    )


def test_a_refused_claim_is_one_statement(account, statements):
    stock_id = make_stock(0)
    with pytest.raises(errors.Exhausted):
        claim(stock_id, account)
    statements.clear()

    with pytest.raises(errors.Exhausted):
        claim(stock_id, account)

    assert len(statements) == 1


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE stocks SET claimed = -1", "claimed_not_negative"),
        ("UPDATE stocks SET claimed = capacity + 1", "claimed_within_capacity"),
        ("UPDATE stocks SET capacity = claimed - 1", "claimed_within_capacity"),
        ("UPDATE redemptions SET units = 0", "units_positive"),
        ("UPDATE redemptions SET claim_key = NULL", "live_or_rolled_back"),
        ("UPDATE redemptions SET rolled_back_at = created_at", "live_or_rolled_back"),
    ],
)
def test_the_database_refuses_books_that_can_not_be(account, books, statement, rule):
    claim(make_stock(5), account, units=2)

    before = books()
    with pytest.raises(IntegrityError) as refused, transaction():
        db.session.execute(sa.text(statement))
    assert rule in broken_constraint(refused.value)
    assert books() == before


@pytest.mark.parametrize("units", [0, -1])
def test_a_claim_of_no_units_is_no_claim(account, books, units):
    stock_id = make_stock(5)
    claim(stock_id, account, units=2)

    before = books()
    with pytest.raises(IntegrityError):
        claim(stock_id, account, units=units)
    assert books() == before


def test_what_is_released_can_be_claimed_again(account, time):
    stock_id = make_stock(4)
    taken = claim(stock_id, account, claim_key="order:7", units=4)
    time.passes(minutes=1)

    assert release(taken.redemption_id)

    assert in_stock(stock_id) == (4, 0)
    rolled_back = db.session.execute(
        sa.select(Redemption.claim_key, Redemption.rolled_back_at)
    ).one()
    assert tuple(rolled_back) == (None, time.moment)
    assert claim(stock_id, account, claim_key="order:7", units=4).claimed == 4


def test_a_release_gives_back_exactly_once(account, books):
    stock_id = make_stock(5)
    first, _second = claim(stock_id, account, units=2), claim(stock_id, account, units=2)
    assert release(first.redemption_id)

    before = books()
    assert not release(first.redemption_id)
    assert books() == before
    assert in_stock(stock_id) == (5, 2)


def test_there_is_nothing_to_release_of_an_unknown_redemption(account, books):
    claim(make_stock(5), account)

    before = books()
    assert not release(new_id())
    assert books() == before


def test_a_release_that_is_rolled_back_has_given_nothing_back(account, books, rolled_back):
    taken = claim(make_stock(5), account)

    before = books()
    with rolled_back():
        assert stock.release(taken.redemption_id)
    assert books() == before


@pytest.mark.parametrize("left", [0, 1, 7])
@pytest.mark.parametrize("capacity", [5, None])
def test_set_left_leaves_that_many_whatever_was_claimed(account, capacity, left):
    stock_id = make_stock(capacity)
    claim(stock_id, account, units=3)

    set_left(stock_id, left)

    assert in_stock(stock_id) == (3 + left, 3)
    for _ in range(left):
        claim(stock_id, account)
    with pytest.raises(errors.Exhausted):
        claim(stock_id, account)


_STEPS = st.one_of(
    st.tuples(st.just("claim"), st.integers(1, 4)),
    st.tuples(st.just("release"), st.integers(0, 20)),
    st.tuples(st.just("set_left"), st.integers(0, 5)),
)


# The examples share the fixtures, an account and a database. Each has a stock of its own.
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(capacity=st.integers(0, 6), steps=st.lists(_STEPS, max_size=12))
def test_whatever_happens_in_whatever_order_claimed_is_what_live_redemptions_took(
    account, capacity, steps
):
    stock_id, taken, claimed = make_stock(capacity), [], 0
    for step, number in steps:
        if step == "claim":
            with suppress(errors.Exhausted):
                taken.append(claim(stock_id, account, units=number).redemption_id)
                assert claimed + number <= capacity
                claimed += number
        elif step == "set_left":
            set_left(stock_id, number)
            capacity = claimed + number
        elif taken:
            release(taken[number % len(taken)])
            claimed = live_units(stock_id)
        assert in_stock(stock_id) == (capacity, claimed)
        assert live_units(stock_id) == claimed


def test_of_many_claims_at_once_as_many_succeed_as_there_are_units(account, together):
    stock_id = make_stock(3)

    outcomes = together(*[lambda: claim(stock_id, account)] * 8)

    assert sorted(
        outcome.claimed for outcome in outcomes if isinstance(outcome, stock.Claimed)
    ) == [1, 2, 3]
    assert [type(outcome) for outcome in outcomes if not isinstance(outcome, stock.Claimed)] == [
        errors.Exhausted
    ] * 5
    assert in_stock(stock_id) == (3, 3)
    assert live_units(stock_id) == 3


def test_of_many_claims_at_once_with_one_key_one_succeeds(account, together):
    stock_id = make_stock(100)

    outcomes = together(
        *[lambda: claim(stock_id, account, claim_key=stock.once_each_user(account))] * 6
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyClaimed"] * 5 + [
        "Claimed"
    ]
    assert in_stock(stock_id) == (100, 1)
    assert live_units(stock_id) == 1


def test_of_many_releases_at_once_one_gives_back(account, together):
    stock_id = make_stock(5)
    taken = claim(stock_id, account, units=2)
    claim(stock_id, account, units=3)

    outcomes = together(*[lambda: release(taken.redemption_id)] * 6)

    assert sorted(outcomes) == [False] * 5 + [True]
    assert in_stock(stock_id) == (5, 3)


def test_where_no_transaction_is_open_a_claim_is_one_by_itself(account):
    stock_id = make_stock(1)

    people.claim(stock_id, account)

    # It stays, whatever becomes of the session.
    db.session.remove()
    assert (in_stock(stock_id), live_units(stock_id)) == ((1, 1), 1)
    with pytest.raises(errors.Exhausted):
        people.claim(stock_id, account)
    assert (in_stock(stock_id), live_units(stock_id)) == ((1, 1), 1)


def test_a_claim_by_itself_that_breaks_a_rule_leaves_nothing_behind(account):
    stock_id = make_stock(2)
    people.claim(stock_id, account, claim_key="order:7")

    with pytest.raises(errors.AlreadyClaimed):
        people.claim(stock_id, account, claim_key="order:7")

    assert (in_stock(stock_id), live_units(stock_id)) == ((2, 1), 1)
    people.claim(stock_id, account)
    assert live_units(stock_id) == 2


def test_on_postgresql_a_claim_by_itself_is_one_statement_that_nobody_begins_or_commits(
    account, statements
):
    if not is_postgresql():
        pytest.skip("SQLite needs a transaction for its several statements")
    stock_id = make_stock(2)
    began = []
    sa.event.listen(db.engine, "begin", began.append)
    statements.clear()

    people.claim(stock_id, account)

    assert (len(statements), began) == (1, [])


def test_with_the_commit_held_back_a_claim_waits_for_it(account):
    stock_id = make_stock(2)

    with held_commit():
        people.claim(stock_id, account)
        # Nobody lets it go: as when a server dies before it knows its answer.

    assert (in_stock(stock_id), live_units(stock_id)) == ((2, 0), 0)


def test_the_last_unit_can_be_left_to_somebody_else(account):
    stock_id = make_stock(2)
    some = stock.leaves_some()

    claim(stock_id, account, only_if=some)
    with pytest.raises(errors.Exhausted):
        claim(stock_id, account, only_if=some)

    assert in_stock(stock_id) == (2, 1)
