"""The tracks that races run on.

Most races share one track for each kind of database. Those that need a server of their own make
another.
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
    with laid_track(new_database(request.param), clients) as laid:
        yield laid


@pytest.fixture
def track(shared_track: Track) -> Iterator[Track]:
    with one_race(shared_track) as track:
        yield track
