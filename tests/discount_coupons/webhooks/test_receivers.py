"""Receivers that are gone, ask for a pause, or hang: what becomes of their messages and of others'.

None of them holds up another one.
"""

import threading
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from email.utils import format_datetime

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.messaging import lanes, outbox
from coupon_management_flask.messaging.webhooks import delivery, recording
from coupon_management_flask.models import OutboxMessage, Webhook
from coupon_management_flask.tasks import thread

from ...support.webhook_receiver import running_receiver
from .conftest import deliver_due, happen


def messages():
    return list(db.session.execute(sa.select(OutboxMessage.__table__).order_by(OutboxMessage.id)))


def webhooks():
    return list(db.session.execute(sa.select(Webhook.__table__).order_by(Webhook.id)))


@pytest.mark.both_databases
def test_a_receiver_that_is_gone_is_switched_off_and_what_waits_for_it_ends(
    shop, subscribe, receiver, passes
):
    with running_receiver() as other:
        gone, stays = subscribe(), subscribe(other.url())
        receiver.status = 500
        happen()
        happen()
        assert deliver_due() == 2
        receiver.status = 410
        passes(seconds=5)

        with capture_logs() as logs:
            assert deliver_due() == 0

        assert len(receiver.received) == 3
        (told,) = [log for log in logs if log["event"] == "webhook.gone"]
        assert (told["webhook_id"], told["ended"], told["log_level"]) == (gone["id"], 1, "warning")
        assert [
            (message.given_up_at is not None, message.last_error)
            for message in messages()
            if message.lane == gone["id"]
        ] == [(True, "gone"), (True, "webhook_gone")]

        # Nothing is written down for it from now on, and the other one is told as before.
        happen()
        assert deliver_due() == 1
        assert (len(receiver.received), len(other.received)) == (3, 3)
        assert len([message for message in messages() if message.lane == gone["id"]]) == 2

    answers = [shop.get(f"/api/v1/webhooks/{one['id']}").json for one in (gone, stays)]
    assert [answer["isActive"] for answer in answers] == [False, True]
    assert answers[0]["goneAt"].endswith("Z")
    assert answers[1]["goneAt"] is None
    listed = shop.get("/api/v1/webhooks").json["results"]
    assert [(one["id"], one["isActive"]) for one in listed] == [
        (gone["id"], False),
        (stays["id"], True),
    ]


def test_of_events_that_only_gone_webhooks_want_nothing_is_wanted(subscribe, receiver):
    subscribe(events=["coupon.created"])
    receiver.status = 410
    assert recording.are_wanted(["coupon.created"])
    happen("coupon.created")
    deliver_due()

    assert not recording.are_wanted(["coupon.created"])


def test_a_message_that_was_written_while_its_receiver_went_ends_without_another_try(
    subscribe, receiver
):
    subscribe()
    happen()
    with transaction():
        db.session.execute(sa.update(Webhook).values(gone_at=clock.now()))

    assert deliver_due() == 0

    assert receiver.received == []
    (message,) = messages()
    assert (message.given_up_at is not None, message.last_error) == (True, "webhook_gone")


def test_sending_a_delivery_again_makes_a_webhook_active_again(shop, subscribe, receiver):
    webhook = subscribe()
    receiver.status = 410
    happen()
    deliver_due()
    path = f"/api/v1/webhooks/{webhook['id']}"
    (failed,) = shop.get(f"{path}/deliveries").json["results"]
    assert (failed["responseStatus"], failed["error"]) == (410, "gone")
    receiver.status = 200

    assert shop.post(f"{path}/deliveries/{failed['id']}/resend").status_code == 202

    assert shop.get(path).json["isActive"] is True
    assert deliver_due() == 1
    happen()
    assert deliver_due() == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_receiver_that_asks_for_a_pause_has_it(subscribe, receiver, passes, status, form):
    subscribe()
    receiver.status = status
    moment = (clock.now() + timedelta(minutes=10)).replace(microsecond=0)
    receiver.headers = {
        "Retry-After": "600" if form == "seconds" else format_datetime(moment, usegmt=True)
    }
    happen()
    happen()
    assert deliver_due() == 0
    assert len(receiver.received) == 1

    # Nothing is sent to it meanwhile, and no message loses a try.
    passes(seconds=590)
    assert deliver_due() == 0
    assert len(receiver.received) == 1
    assert sorted(message.attempts for message in messages()) == [0, 1]
    receiver.status, receiver.headers = 200, {}
    passes(seconds=11)
    assert deliver_due() == 2
    assert [webhook.rests_until for webhook in webhooks()] == [None]


def test_a_pause_is_an_hour_at_most(subscribe, receiver, passes):
    subscribe()
    receiver.status = 503
    for asked in ("86400", "9" * 5_000, "Fri, 31 Dec 9999 23:59:59 GMT"):
        receiver.headers = {"Retry-After": asked}
        happen()
        deliver_due()
        (webhook,) = webhooks()
        pause = webhook.rests_until - clock.now()
        assert timedelta(minutes=59) < pause <= delivery.LONGEST_REST == timedelta(hours=1), asked
        passes(hours=1)


@pytest.mark.parametrize(
    "asked", ["", "soon", "-5", "0", "1e3", "Sun, 06 Nov 1994 08:49:37 GMT", "99 99 99"]
)
def test_a_pause_that_is_none_changes_nothing(subscribe, receiver, passes, asked):
    subscribe()
    receiver.status, receiver.headers = 503, {"Retry-After": asked}
    happen()
    assert deliver_due() == 0
    assert webhooks()[0].rests_until is None
    receiver.status = 200
    passes(seconds=5)

    assert deliver_due() == 1


def test_a_success_has_no_pause_and_other_failures_have_none_either(subscribe, receiver):
    subscribe()
    receiver.headers = {"Retry-After": "600"}
    for status in (200, 500, 404):
        receiver.status = status
        happen()
        deliver_due()
        assert webhooks()[0].rests_until is None


@contextmanager
def background(app):
    """Run the threads of a server until the block ends."""
    stop = threading.Event()
    threads = thread.start(app, stop)
    try:
        yield
    finally:
        stop.set()
        for one in threads:
            one.join(timeout=60)
        assert not any(one.is_alive() for one in threads)


@pytest.mark.both_databases
def test_receivers_that_hang_hold_up_no_other(app, subscribe):
    with ExitStack() as stack:
        hanging = [stack.enter_context(running_receiver()) for _ in range(8)]
        for one in hanging:
            subscribe(one.url())
        # Each has more to be told than is sent to it at once.
        for _ in range(lanes.MOST_AT_ONCE + 3):
            happen()
        held = ExitStack()
        for one in hanging:
            held.enter_context(one.holding())
        good = stack.enter_context(running_receiver())
        with background(app), held:
            for one in hanging:
                one.wait_for(lanes.MOST_AT_ONCE)
            subscribe(good.url(), events=["coupon.updated"])
            happen("coupon.updated")
            # Long before any of the others is given up: none has been answered yet.
            good.wait_for(1)
            assert [len(one.received) for one in hanging] == [lanes.MOST_AT_ONCE] * 8
            assert all(webhook.rests_until is None for webhook in webhooks())


def test_a_crew_finishes_what_it_has_begun_when_it_is_told_to_stop(app, subscribe, receiver):
    subscribe()
    happen()
    held = ExitStack()
    held.enter_context(receiver.holding())
    stop = threading.Event()
    threads = thread.start(app, stop)
    receiver.wait_for(1)
    stop.set()
    assert any(one.is_alive() for one in threads)
    held.close()
    for one in threads:
        one.join(timeout=60)

    assert not any(one.is_alive() for one in threads)
    assert [message.delivered_at is not None for message in messages()] == [True]


def test_those_that_are_known_to_be_slow_never_have_all_threads():
    in_flight = lanes.InFlight()
    slow = frozenset({"a", "b", "c", "d"})
    known = lanes.Lanes(closed=frozenset({"d"}), slow=slow)
    assert in_flight.without("webhook", known, 4) == {"d"}
    in_flight.begin("webhook", "a")
    assert in_flight.without("webhook", known, 4) == {"a", "d"}
    in_flight.begin("webhook", "b")
    assert in_flight.without("webhook", known, 4) == slow
    in_flight.begin("webhook", "good")
    in_flight.begin("another", "good")
    assert in_flight.without("webhook", known, 4) == slow
    in_flight.begin("webhook", "good")
    assert in_flight.without("webhook", known, 4) == slow | {"good"}
    for lane in ("a", "good", "good"):
        in_flight.end("webhook", lane)
    assert in_flight.without("webhook", known, 4) == {"b", "d"}


@pytest.mark.both_databases
def test_lanes_take_turns_by_what_has_been_due_for_longest(app, passes):
    served = []
    open_lanes = lanes.Lanes(frozenset({"closed"}), frozenset())
    topic = outbox.Topic(
        lambda _, payload: served.append(payload["n"]), lanes=lambda: open_lanes, at_once=4
    )
    plain = outbox.Topic(lambda _, payload: served.append(payload["n"]))
    for number, lane in enumerate(["b", "closed", "a", "b", "", "c"]):
        with transaction():
            outbox.write("lanes", {"n": number}, lane=lane)
        passes(seconds=1)
    with transaction():
        outbox.write("plain", {"n": "plain"})

    assert outbox.deliver_due({"lanes": topic, "plain": plain}) == 6

    assert served == [0, 2, 3, 4, 5, "plain"]
