"""Delivering recorded events to their webhooks, each attempt on record."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

import sqlalchemy as sa
import structlog

from ...core import clock
from ...db.session import before_waiting, db, transaction
from ...models import Webhook, WebhookDelivery, new_id
from .. import outbox
from ..lanes import Lanes
from . import posting
from .posting import DeliveryFailed, Gone
from .recording import TOPIC, signed

# How long a webhook rests that did not answer in time.
REST = timedelta(minutes=1)
# The longest pause between two tries of the outbox. A longer rest would keep a message for weeks.
LONGEST_REST = outbox.LATER
# So many messages a process delivers side by side.
AT_ONCE = 32
GONE = 410
_ASK_FOR_A_PAUSE = (429, 503)
_GONE = "webhook_gone"

log = structlog.get_logger(__name__)


def deliver(message_id: UUID, payload: outbox.Payload, *, allow_private: bool) -> None:
    """Send a message to its webhook, unless that was deleted, and note the attempt.

    Raises:
        Gone: The webhook says, or has said, that it is gone.
        DeliveryFailed: The webhook did not take it. At once, while the webhook rests.
    """
    found = sa.select(
        Webhook.id, Webhook.url, Webhook.secret, Webhook.rests_until, Webhook.gone_at
    ).where(Webhook.id == UUID(payload["webhook_id"]))
    webhook = db.session.execute(found).one_or_none()
    if webhook is None:
        return
    if webhook.gone_at is not None:
        raise Gone(_GONE)
    body = str(payload["body"])
    delivery_id = _begin(webhook.id, message_id, payload["event"])
    before_waiting()
    try:
        # Lanes keep those away that rest. It may have begun to rest a moment ago.
        if webhook.rests_until is not None and webhook.rests_until > clock.now():
            raise DeliveryFailed("resting", retry_after=webhook.rests_until - clock.now())
        headers = signed(webhook.secret, message_id, body)
        answer = posting.post(webhook.url, headers, body.encode(), allow_private=allow_private)
        _check(answer)
    except DeliveryFailed as failure:
        _end(delivery_id, failure.response_status, failure.reason)
        if isinstance(failure, Gone):
            _switch_off(webhook.id)
        elif failure.reason == "timed_out":
            _let_rest(webhook.id, REST)
        elif failure.retry_after is not None and failure.reason != "resting":
            _let_rest(webhook.id, failure.retry_after)
        raise
    _end(delivery_id, answer.status, None)
    if webhook.rests_until is not None:
        _let_rest(webhook.id, None)


def lanes() -> Lanes:
    """Return which webhooks rest at the moment, and which have not taken a message since."""
    now = clock.now()
    rests = sa.select(Webhook.id, Webhook.rests_until).where(Webhook.rests_until.is_not(None))
    found = {str(webhook_id): until for webhook_id, until in db.session.execute(rests)}
    return Lanes(
        closed=frozenset(lane for lane, until in found.items() if until and until > now),
        slow=frozenset(found),
    )


def _check(answer: posting.Answer) -> None:
    if 200 <= answer.status < 300:
        return
    if answer.status == GONE:
        raise Gone("gone", answer.status)
    reason = "redirected" if 300 <= answer.status < 400 else "unexpected_status"
    pause = _pause(answer.retry_after) if answer.status in _ASK_FOR_A_PAUSE else None
    raise DeliveryFailed(reason, answer.status, pause)


def _pause(retry_after: str | None) -> timedelta | None:
    """Return the pause that Retry-After asks for: so many seconds, or until a moment."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        # Longer numbers take long to read.
        seconds = int(text) if len(text) < 10 else LONGEST_REST.total_seconds()
        pause = timedelta(seconds=min(seconds, LONGEST_REST.total_seconds()))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        # A date of HTTP is in GMT. One without a zone has that.
        pause = min(_in_utc(moment) - clock.now(), LONGEST_REST)
    return pause if pause > timedelta(0) else None


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _switch_off(webhook_id: UUID) -> None:
    """Tell a webhook of nothing any more, neither of what waits nor of what happens from now on."""
    with transaction():
        db.session.execute(
            sa.update(Webhook)
            .where(Webhook.id == webhook_id, Webhook.gone_at.is_(None))
            .values(gone_at=clock.now()),
            execution_options={"synchronize_session": False},
        )
        ended = outbox.end_lane(TOPIC, str(webhook_id), _GONE)
    log.warning("webhook.gone", webhook_id=str(webhook_id), ended=ended)


def _begin(webhook_id: UUID, message_id: UUID, event: str) -> UUID:
    delivery_id = new_id()
    with transaction():
        db.session.execute(
            sa.insert(WebhookDelivery).values(
                id=delivery_id,
                webhook_id=webhook_id,
                message_id=message_id,
                event=event,
                started_at=clock.now(),
            )
        )
    return delivery_id


def _end(delivery_id: UUID, response_status: int | None, error: str | None) -> None:
    _change(
        sa.update(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id)
        .values(finished_at=clock.now(), response_status=response_status, error=error)
    )


def _let_rest(webhook_id: UUID, pause: timedelta | None) -> None:
    rests_until = None if pause is None else clock.now() + pause
    _change(sa.update(Webhook).where(Webhook.id == webhook_id).values(rests_until=rests_until))


def _change(statement: sa.Update) -> None:
    with transaction():
        db.session.execute(statement, execution_options={"synchronize_session": False})
