"""The cast of webhooks: a receiver, and a clock that a test moves."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import transaction
from coupon_management_flask.messaging import loop, outbox
from coupon_management_flask.messaging.webhooks import recording

from ...support.discounts import Shop
from ...support.webhook_receiver import Receiver, running_receiver

FACTS = {"code": "SOMMER-10", "customer": "Zoë", "amount": 3.34, "products": ["1", "2"]}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def allow_private(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Sets WEBHOOKS_ALLOW_PRIVATE."""
    return lambda allowed: monkeypatch.setitem(
        app.extensions,
        "settings",
        replace(app.extensions["settings"], webhooks_allow_private=allowed),
    )


@pytest.fixture
def subscribe(
    shop: Shop, receiver: Receiver, allow_private: Callable[[bool], None]
) -> Callable[..., dict[str, Any]]:
    """Makes a webhook, to the receiver and of all events unless told otherwise."""
    allow_private(True)

    def subscribe(url: str | None = None, events: Any = recording.EVENTS) -> dict[str, Any]:
        answer = shop.post(
            "/api/v1/webhooks", json={"url": url or receiver.url(), "events": list(events)}
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    return subscribe


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets time pass at once."""
    ahead = timedelta()
    now = clock.now

    def passes(**span: float) -> None:
        nonlocal ahead
        ahead += timedelta(**span)
        monkeypatch.setattr(clock, "now", lambda: now() + ahead)

    return passes


def happen(event: str = "coupon.created", facts: Any = FACTS) -> None:
    with transaction():
        recording.record(event, lambda: facts)


def deliver_due() -> int:
    return outbox.deliver_due(loop.current().topics)
