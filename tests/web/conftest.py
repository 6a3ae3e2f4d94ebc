"""Time that a test sets, and applications that need no tables."""

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from flask import Flask

from coupon_management_flask import create_app
from coupon_management_flask.core import clock
from coupon_management_flask.database import db

from ..conftest import settings_for
from ..support import people


@pytest.fixture
def time_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Stops the clock at a moment. The signatures of tokens know no other time than the real one: a test that needs both starts in the past."""
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture
def app_without_tables(tmp_path) -> Iterator[Callable[..., Flask]]:
    """Makes an application whose database has no tables, for what happens before anybody asks it."""
    made = []

    def make(**overrides) -> Flask:
        made.append(create_app(settings_for(f"sqlite:///{tmp_path}/{len(made)}.db", **overrides)))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def somebody() -> Callable[..., people.Person]:
    """Makes somebody and signs them in to that application: `somebody(app, credit=100)`."""
    return lambda app, **given: people.sign_in(app.test_client(), *people.make_user(**given))
