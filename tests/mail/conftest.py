"""A mail server, an application that sends to it, and a topic whose messages are mails."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.messaging import outbox
from coupon_management_flask.messaging.mail import sender
from coupon_management_flask.models import Outage, OutboxMessage, new_id
from coupon_management_flask.tasks import jobs

from ..support.smtp import SmtpServer, running_smtp

TOPIC = "test_mail"
ALICE = "alice@example.com"


def deliver(message_id: UUID, payload: dict[str, Any]) -> None:
    sender.send(
        sender.Mail(
            to=payload["to"],
            subject="Your code",
            text=payload["text"],
            html=f"<p>{payload['text']}</p>",
            message_id=message_id,
        )
    )


TOPICS = {TOPIC: outbox.Topic(deliver, only_while=sender.is_configured)}


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every application that is made from now on deliver these mails and no other messages."""
    monkeypatch.setattr(jobs, "BACKGROUND", replace(jobs.BACKGROUND, topics=TOPICS))


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with running_smtp() as server:
        yield server


@pytest.fixture
def mailing(configured_app: Callable[..., Flask]) -> Callable[..., Flask]:
    """Makes an application that sends to a server on that port, unencrypted by default."""
    return lambda port, **overrides: configured_app(
        **{
            "email_backend": "",
            "email_host": "127.0.0.1",
            "email_port": port,
            "email_use_tls": False,
            "public_url": "https://coupons.example.com",
            **overrides,
        }
    )


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets time pass at once."""
    now, ahead = clock.now, [timedelta()]

    def passes(**span: float) -> None:
        ahead.append(timedelta(**span))
        monkeypatch.setattr(clock, "now", lambda: now() + sum(ahead, timedelta()))

    return passes


def new_mail(**given: Any) -> sender.Mail:
    return sender.Mail(
        **{
            "to": ALICE,
            "subject": "Your code",
            "text": "ABC23456\n",
            "html": "<p>ABC23456</p>\n",
            "message_id": new_id(),
            **given,
        }
    )


def write(text: str = "ABC23456", to: str = ALICE) -> UUID:
    with transaction():
        return outbox.write(TOPIC, {"to": to, "text": text})


def deliver_due() -> int:
    return outbox.deliver_due(TOPICS)


def stored(message_id: UUID) -> dict[str, Any]:
    return (
        db.session.execute(sa.select(OutboxMessage.__table__).where(OutboxMessage.id == message_id))
        .one()
        ._asdict()
    )


def outages() -> list[tuple[str, str]]:
    return [(row.name, row.error) for row in db.session.execute(sa.select(Outage.__table__))]
