"""A server that waits for nobody for longer than some seconds."""

from collections.abc import Callable, Iterator

import psutil
import pytest

from ..support.server import Server, running_server
from ..support.sockets import Caller

SECONDS = 4


@pytest.fixture(scope="package")
def server(new_database: Callable[[str], str]) -> Iterator[Server]:
    """The real server with one worker, which gives a request 4 seconds to come."""
    with running_server(new_database("sqlite"), workers=1, REQUEST_SECONDS=str(SECONDS)) as running:
        yield running


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    opened = Caller(server)
    yield opened
    opened.close()


def memory_of(server: Server) -> int:
    """Return the bytes that the workers have in memory."""
    return sum(psutil.Process(pid).memory_info().rss for pid in server.worker_pids())
