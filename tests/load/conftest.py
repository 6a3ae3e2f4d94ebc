"""The tracks: one server for most races on a database of each kind.

A race that needs a server with other settings, or one that may die, lays a track of its own.
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
    # The built-in antifraud check is another test's business.
    settings = {"ANTIFRAUD_MAX_PER_MINUTE": "1000000"}
    with laid_track(new_database(request.param), clients, **settings) as laid:
        yield laid


@pytest.fixture
def track(shared_track: Track) -> Iterator[Track]:
    with one_race(shared_track) as track:
        yield track
