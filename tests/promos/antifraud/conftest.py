"""The cast of antifraud.

It is a service that answers what the test says, an application that asks it, and requests that wait
in the background.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle

import pytest

from coupon_management_flask import create_app
from coupon_management_flask.core import clock

from ...conftest import dispose_engines, settings_for
from ...support.antifraud import running_antifraud
from ...support.promos import new_company, new_user, publish, read_promo_books
from ...support.waiting import wait_until
from .answers import PLACES, UNAVAILABLE, refusal


@pytest.fixture(scope="session")
def antifraud_service():
    with running_antifraud() as service:
        yield service


@pytest.fixture
def antifraud(antifraud_service):
    """A service that says yes until the test tells it otherwise."""
    antifraud_service.forget()
    return antifraud_service


@pytest.fixture(scope="session")
def start_asking_app(database_url, antifraud_service):
    """Start an application on the tests' database that asks the service."""
    started = []

    def start(**overrides):
        started.append(
            create_app(
                settings_for(
                    database_url, **{"antifraud_address": antifraud_service.address, **overrides}
                )
            )
        )
        return started[-1]

    yield start
    for one in started:
        with one.app_context():
            dispose_engines()


@pytest.fixture
def start_app(app, antifraud, start_asking_app):
    """Do the same for one test.

    The first application finds the tables empty; a second one is the first one restarted.
    """
    return start_asking_app


@pytest.fixture(scope="session")
def asking_app(start_asking_app):
    return start_asking_app()


@pytest.fixture
def client(app, antifraud, asking_app):
    # What it remembers of the feed's day was in a table that has been emptied.
    asking_app.extensions.pop("feed_day", None)
    return asking_app.test_client()


@pytest.fixture
def company(client):
    return new_company(client)


@pytest.fixture
def alice(client):
    """A user of 30 from Germany."""
    return new_user(client, name="Alice", email="alice@example.com")


@pytest.fixture
def bob(client):
    return new_user(client, name="Bob", email="bob@example.com")


@pytest.fixture
def promo(company):
    """A promo for everybody, with more activations than any test needs."""
    return publish(company, max_count=1000)


@pytest.fixture
def books(app):
    return read_promo_books


@pytest.fixture
def now_is(monkeypatch):
    """Stop the clock at a moment."""
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture
def later(monkeypatch):
    """Set the clock forward by so much, and let it go on from there."""
    return lambda by: monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + by)


@pytest.fixture
def in_background():
    """Activate in a thread, through a client of its own.

    `in_background(alice, promo).result()` is the answer.
    """
    threads = ThreadPoolExecutor(40)

    def activate(user, promo_id, **options) -> Future:
        own = (
            replace(user, client=user.client.application.test_client())
            if hasattr(user.client, "application")
            else user
        )
        return threads.submit(own.post, f"/api/user/promo/{promo_id}/activate", **options)

    yield activate
    threads.shutdown(cancel_futures=True)


@pytest.fixture
def take_all_places(in_background):
    """Send a user's activations in the background, as many as a worker lets wait.

    Their futures are returned once all of them wait.
    """

    def take(user, *promos):
        sent = [
            in_background(user, promo_id)
            for promo_id, _ in zip(cycle(promos), range(PLACES + 1), strict=False)
        ]
        # When one is turned away, all others have a place.
        wait_until(lambda: any(one.done() for one in sent), "somebody is turned away")
        (turned_away,) = (one for one in sent if one.done())
        assert refusal(turned_away.result()) == UNAVAILABLE
        return [one for one in sent if one is not turned_away]

    return take
