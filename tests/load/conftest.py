"""The tracks that races run on: for most of them, one server for each kind of database.

A race that needs other settings, or whose server may die, starts a track of its own.
"""

from collections.abc import Callable, Iterator

import pytest

from ..conftest import DATABASES
from .clients import Clients
from .track import Track, laid_track, one_race


@pytest.fixture(scope="package")
def clients() -> Iterator[Clients]:
    clients = Clients()
    yield clients
    clients.close()


@pytest.fixture(scope="package", params=DATABASES)
def shared_track(
    request: pytest.FixtureRequest, new_database: Callable[[str], str], clients: Clients
) -> Iterator[Track]:
    # Other tests cover the built-in antifraud check.
    settings = {"ANTIFRAUD_MAX_PER_MINUTE": "1000000"}
    with laid_track(new_database(request.param), clients, **settings) as laid:
        yield laid


@pytest.fixture
def track(shared_track: Track) -> Iterator[Track]:
    with one_race(shared_track) as track:
        yield track
