"""A clock that a test sets, and applications that need no tables."""

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from flask import Flask

from coupon_management_flask import create_app
from coupon_management_flask.core import clock

from ..conftest import dispose_engines, settings_for
from ..support import people


@pytest.fixture
def time_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Stop the clock at a moment.

    Signatures of tokens go by the real time. A test that needs both starts in the past.
    """
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture(scope="module")
def app_without_tables(tmp_path_factory) -> Iterator[Callable[..., Flask]]:
    """Make an application whose database has no tables and must not be needed."""
    made, folder = [], tmp_path_factory.mktemp("without_tables")

    def make(**overrides) -> Flask:
        made.append(create_app(settings_for(f"sqlite:///{folder}/{len(made)}.db", **overrides)))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            dispose_engines()


@pytest.fixture(scope="session")
def database_with_alice(new_database: Callable[[str], str]) -> Callable[..., str]:
    """Make a database of that kind in which Alice is a user, for a server of its own.

    `database_with_alice("sqlite", credit=100)`
    """

    def make(kind: str, **given) -> str:
        url = new_database(kind)
        with create_app(settings_for(url)).app_context():
            people.make_user(username="alice", **given)
            dispose_engines()
        return url

    return make


@pytest.fixture
def somebody() -> Callable[..., people.Person]:
    """Make somebody and sign them in to that application: `somebody(app, credit=100)`."""
    return lambda app, **given: people.sign_in(app.test_client(), *people.make_user(**given))
