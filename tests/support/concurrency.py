"""Fixtures for time that a test moves by hand, and for threads that act at the same moment."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from flask import Flask

from coupon_management_flask.core import clock


class StoppedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.moment = clock.now()

    def __call__(self) -> datetime:
        return self.moment

    def passes(self, **span: float) -> None:
        self.moment += timedelta(**span)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    stopped = StoppedClock()
    monkeypatch.setattr(clock, "now", stopped)
    return stopped


@pytest.fixture
def elsewhere(app: Flask) -> Iterator[Callable[[Callable[[], Any]], "Future[Any]"]]:
    """Start work in a thread, which has its own context, session and connection."""

    def in_context(work: Callable[[], Any]) -> Any:
        with app.app_context():
            return work()

    with ThreadPoolExecutor() as pool:
        yield lambda work: pool.submit(in_context, work)


@pytest.fixture
def together(app: Flask) -> Callable[..., list[Any]]:
    """Run all works at once, a thread each, and return what each returned or raised."""

    def run(*works: Callable[[], Any]) -> list[Any]:
        start = Barrier(len(works))

        def one(work: Callable[[], Any]) -> Any:
            with app.app_context():
                start.wait(timeout=20)
                try:
                    return work()
                except Exception as error:
                    return error

        with ThreadPoolExecutor(len(works)) as pool:
            return list(pool.map(one, works, timeout=60))

    return run
