"""The cast of the user side.

A company publishes, Alice and Bob look for promos, and a test chooses the day.
"""

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db

from ...support.promos import new_company, new_user, stop_clock


@pytest.fixture
def app(app):
    # What it remembers of the feed's day was in a table that has been emptied.
    app.extensions.pop("feed_day", None)
    return app


@pytest.fixture
def company(client):
    return new_company(client)


@pytest.fixture
def alice(client):
    """A user of 30 from the United States."""
    return new_user(
        client,
        name="Alice",
        surname="Alpha",
        email="alice@example.com",
        other={"age": 30, "country": "us"},
    )


@pytest.fixture
def bob(client):
    """A user of 50 from France."""
    return new_user(
        client,
        name="Bob",
        surname="Beta",
        email="bob@example.com",
        other={"age": 50, "country": "fr"},
    )


@pytest.fixture
def books(app):
    """Read every row of every table. A refusal changes none of them."""
    return lambda: {
        table.name: db.session.execute(sa.select(table).order_by(*table.primary_key)).all()
        for table in db.metadata.sorted_tables
    }


@pytest.fixture
def now_is(monkeypatch):
    """Stop the clock at a moment of the past. Whoever has signed in before stays signed in."""
    return lambda moment: stop_clock(monkeypatch, moment)
