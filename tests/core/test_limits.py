"""core/limits.py: what one customer, one day or one budget may have."""

from uuid import uuid4

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import errors, limits, stock
from coupon_management_flask.core.limits import LimitKey, Take
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import RedemptionTake
from coupon_management_flask.models.kinds import LimitRule

from ..support import people

# The takes belong to no coupon: the audit has nothing to compare them with.
pytestmark = [pytest.mark.both_databases, pytest.mark.books_are_wrong]


@pytest.fixture
def key():
    return LimitKey(uuid4(), LimitRule.PER_CUSTOMER, customer="c-1")


@pytest.fixture
def take(alice, key):
    """Take units for a new redemption, and return its id."""
    with transaction():
        stock_id = stock.create(None)

    def take(units, limit):
        with transaction():
            redemption_id = people.claim(stock_id, alice.id).redemption_id
            limits.take_within([Take(key, units, limit, redemption_id)])
        return redemption_id

    return take


def give_back(redemption_id, units):
    with transaction():
        limits.give_back([(redemption_id, LimitRule.PER_CUSTOMER, units)])


def used(key):
    return limits.used([key])[key]


def still_taken(redemption_id):
    return db.session.scalar(
        sa.select(RedemptionTake.units).where(RedemptionTake.redemption_id == redemption_id)
    )


def test_a_limit_is_taken_up_to_its_last_unit_and_no_further(take, key):
    take(2, limit=3)
    take(1, limit=3)

    with pytest.raises(errors.LimitReached):
        take(1, limit=3)
    assert used(key) == 3


@pytest.mark.parametrize("units", [1, None])
def test_a_single_unit_comes_back(take, key, units):
    redemption_id = take(1, limit=1)

    give_back(redemption_id, units)

    assert (used(key), still_taken(redemption_id)) == (0, 0)


def test_a_part_comes_back_and_never_more_than_was_taken(take, key):
    redemption_id = take(3, limit=5)
    take(1, limit=5)

    give_back(redemption_id, 2)
    assert (used(key), still_taken(redemption_id)) == (2, 1)
    give_back(redemption_id, 2)
    assert (used(key), still_taken(redemption_id)) == (1, 0)
    give_back(redemption_id, None)
    assert (used(key), still_taken(redemption_id)) == (1, 0)
