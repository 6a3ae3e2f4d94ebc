"""The books: to show that a refusal changed nothing, and to prove that they add up."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from coupon_management_flask.audit import rules
from coupon_management_flask.db.session import db
from coupon_management_flask.models import (
    Account,
    CreditCoupon,
    LedgerEntry,
    Redemption,
    Stock,
    Wallet,
)

Books = dict[str, list[Any]]


def rows_of(*models: Any) -> Books:
    """Read all rows of these tables."""
    return {
        model.__tablename__: [
            tuple(row)
            for row in db.session.execute(
                sa.select(model.__table__).order_by(*model.__table__.primary_key)
            )
        ]
        for model in models
    }


def read_books() -> Books:
    """Read all rows of what is limited, owned or owed."""
    return rows_of(Account, CreditCoupon, LedgerEntry, Redemption, Stock, Wallet)


@pytest.fixture(autouse=True)
def the_books_add_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Audit the database after each test that has an application.

    A test that leaves books which do not add up, on purpose, is marked `books_are_wrong`.
    """
    if "app" not in request.fixturenames or request.node.get_closest_marker("books_are_wrong"):
        yield
        return
    # The application is made first, so that its tables still exist afterwards.
    request.getfixturevalue("app")
    yield
    assert list(rules.discrepancies()) == []
