"""A visitor with a popup, the mails that are sent, and time that a test moves by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.email_coupons import mailer
from coupon_management_flask.messaging import outbox
from coupon_management_flask.messaging.mail import sender
from coupon_management_flask.models import (
    DiscountCoupon,
    EmailCoupon,
    OutboxMessage,
    Stock,
    UnsubscribedAddress,
)

from ..support.concurrency import StoppedClock

PATH = "/api/coupons/"

Ask = Callable[..., TestResponse]


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    """Return a function that asks for a code as the popup does."""
    return lambda email="user@example.com", website="example.com", **options: client.post(
        PATH, json={"email": email, "website": website}, **options
    )


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    stopped = StoppedClock()
    monkeypatch.setattr(clock, "now", stopped)
    return stopped


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[sender.Mail]:
    """Return the mails that are given to the mail server."""
    mails: list[sender.Mail] = []
    monkeypatch.setattr(sender, "send", mails.append)
    return mails


@pytest.fixture
def deliver(sent: list[sender.Mail]) -> Callable[[], list[sender.Mail]]:
    """Return a function that has the outbox deliver what is due, and returns those mails."""

    def run() -> list[sender.Mail]:
        before = len(sent)
        outbox.deliver_due({mailer.TOPIC: outbox.Topic(mailer.deliver)})
        return sent[before:]

    return run


@pytest.fixture
def email_books(app: Flask) -> Callable[[], dict[str, Any]]:
    """Return a reader of all that a code is made of: a refusal must leave it as it was."""
    models = (EmailCoupon, DiscountCoupon, Stock, OutboxMessage, UnsubscribedAddress)

    def read() -> dict[str, Any]:
        return {
            model.__tablename__: [
                tuple(row)
                for row in db.session.execute(
                    sa.select(model.__table__).order_by(*model.__table__.primary_key)
                )
            ]
            for model in models
        }

    return read


@pytest.fixture
def rows(app: Flask) -> Callable[[Any], None]:
    """Return a function that writes what no call of the service writes."""

    def write(statement: Any) -> None:
        with transaction():
            db.session.execute(statement)

    return write
