"""What a webhook is sent: signed, at least once, under one id, with each attempt on record."""

import json
import os
import signal
import subprocess
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from threading import Timer

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.messaging import outbox
from coupon_management_flask.messaging.webhooks import posting, recording
from coupon_management_flask.models import OutboxMessage, Webhook, new_id

from ...support.refusals import refusal
from ...support.server import FLASK, ROOT, environment
from ...support.waiting import wait_until
from ...support.webhook_receiver import running_receiver
from .conftest import FACTS, deliver_due, happen


@pytest.fixture
def deliveries(shop):
    def deliveries(webhook, query=""):
        answer = shop.get(f"/api/v1/webhooks/{webhook['id']}/deliveries?limit=100{query}")
        assert answer.status_code == 200, answer.text
        return answer.json["results"]

    return deliveries


@pytest.fixture
def resend(shop):
    return lambda webhook, delivery: shop.post(
        f"/api/v1/webhooks/{webhook['id']}/deliveries/{delivery['id']}/resend"
    )


def outcomes(found):
    return [
        (delivery["status"], delivery["responseStatus"], delivery["error"]) for delivery in found
    ]


def waiting():
    return db.session.scalar(
        sa.select(sa.func.count())
        .select_from(OutboxMessage)
        .where(OutboxMessage.delivered_at.is_(None))
    )


def test_an_event_arrives_signed_as_standard_webhooks_says(subscribe, receiver, deliveries):
    webhook, before = subscribe(), datetime.now(UTC)

    happen("redemption.created")
    assert deliver_due() == 1

    (received,) = receiver.received
    payload = received.verified(webhook["secret"])
    assert (payload["type"], payload["data"], set(payload)) == (
        "redemption.created",
        FACTS,
        {"type", "timestamp", "data"},
    )
    assert before <= datetime.fromisoformat(payload["timestamp"]) <= datetime.now(UTC)
    assert payload["timestamp"].endswith("Z")
    assert (received.headers["content-type"], received.headers["host"]) == (
        "application/json",
        f"127.0.0.1:{receiver.port}",
    )
    (delivery,) = deliveries(webhook)
    assert (delivery["messageId"], delivery["event"]) == (received.id, "redemption.created")
    assert outcomes([delivery]) == [("succeeded", 200, None)]
    assert delivery["startedAt"] <= delivery["finishedAt"]
    assert deliver_due() == 0
    assert len(receiver.received) == 1


def test_two_events_and_two_webhooks_make_four_messages_each_with_its_own_id_and_secret(
    subscribe, receiver
):
    first, second = subscribe(receiver.url() + "&n=1"), subscribe(receiver.url() + "&n=2")

    happen("coupon.created")
    happen("coupon.exhausted")
    assert deliver_due() == 4

    assert len({received.id for received in receiver.received}) == 4
    for number, webhook in (("1", first), ("2", second)):
        own = [received for received in receiver.received if received.path.endswith(f"n={number}")]
        assert [received.verified(webhook["secret"])["type"] for received in own] == [
            "coupon.created",
            "coupon.exhausted",
        ]


def test_what_is_rolled_back_is_told_to_nobody(subscribe, receiver, rolled_back):
    subscribe()
    with rolled_back():
        recording.record("coupon.created", lambda: FACTS)

    assert (deliver_due(), waiting(), receiver.received) == (0, 0, [])


@pytest.mark.parametrize("status", [199, 301, 302, 307, 400, 404, 429, 500, 503])
def test_any_answer_but_a_2xx_is_a_failure_and_is_tried_again_with_the_same_id_and_body(
    subscribe, receiver, deliveries, passes, status
):
    webhook = subscribe()
    # Were it followed, it would be received.
    receiver.status, receiver.headers = status, {"Location": receiver.url()}
    happen()
    assert deliver_due() == 0
    assert deliver_due() == 0
    assert len(receiver.received) == 1

    receiver.status = 204
    passes(seconds=5)
    assert deliver_due() == 1

    first, second = receiver.received
    assert (second.id, second.body) == (first.id, first.body)
    assert int(second.headers["webhook-timestamp"]) >= int(first.headers["webhook-timestamp"]) + 5
    assert second.headers["webhook-signature"] != first.headers["webhook-signature"]
    error = "redirected" if 300 <= status < 400 else "unexpected_status"
    assert outcomes(deliveries(webhook)) == [("succeeded", 204, None), ("failed", status, error)]
    assert len({delivery["messageId"] for delivery in deliveries(webhook)}) == 1


def test_a_receiver_that_is_down_gets_it_when_it_is_up(subscribe, deliveries, passes):
    with running_receiver() as gone:
        webhook = subscribe(gone.url())
    happen()
    assert deliver_due() == 0
    assert outcomes(deliveries(webhook)) == [("failed", None, "connection_failed")]

    passes(seconds=5)
    with running_receiver(port=gone.port) as back:
        assert deliver_due() == 1
    assert [received.id for received in back.received] == [deliveries(webhook)[0]["messageId"]]
    assert outcomes(deliveries(webhook)) == [
        ("succeeded", 200, None),
        ("failed", None, "connection_failed"),
    ]


@pytest.mark.parametrize(
    "drip",
    [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"x"],
    ids=["silence", "for_ever_continue", "a_line_without_end"],
)
def test_a_receiver_that_keeps_us_waiting_is_cut_off_and_left_alone_for_a_minute(
    subscribe, receiver, deliveries, passes, monkeypatch, drip
):
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 0.3)
    slow = subscribe()
    receiver.drip = drip
    with running_receiver() as other:
        quick = subscribe(other.url())
        happen()
        happen()
        with receiver.holding() if not drip else running_receiver():
            assert deliver_due() == 2

        # Nobody else waits for it: it was asked once. What else it is to be told waits untouched.
        assert len(receiver.received) == 1
        assert outcomes(deliveries(slow)) == [("failed", None, "timed_out")]
        assert outcomes(deliveries(quick)) == [("succeeded", 200, None)] * 2

    receiver.drip = b""
    passes(seconds=61)
    assert deliver_due() == 2
    assert len({received.id for received in receiver.received[1:]}) == 2


def test_a_success_is_one_however_long_the_rest_of_the_answer_takes(
    subscribe, receiver, deliveries, monkeypatch
):
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 0.3)
    webhook = subscribe()
    receiver.headers = {"Content-Length": "1000000000"}
    with receiver.unfinished():
        happen()
        assert deliver_due() == 1

    assert outcomes(deliveries(webhook)) == [("succeeded", 200, None)]


def test_an_answer_may_take_longer_than_connecting(subscribe, receiver, deliveries, monkeypatch):
    monkeypatch.setattr(posting, "CONNECT_SECONDS", 0.1)
    webhook = subscribe()
    with ExitStack() as held:
        held.enter_context(receiver.holding())
        Timer(0.5, held.close).start()
        happen()
        assert deliver_due() == 1

    assert outcomes(deliveries(webhook)) == [("succeeded", 200, None)]


def test_what_is_no_http_is_a_failure(subscribe, receiver, deliveries, monkeypatch):
    webhook = subscribe()
    receiver.drip = b"SSH-2.0-OpenSSH\r\n"

    happen()
    assert deliver_due() == 0

    assert outcomes(deliveries(webhook)) == [("failed", None, "invalid_answer")]


def test_after_a_day_it_is_given_up_and_can_be_sent_again_all_the_same(
    subscribe, receiver, deliveries, resend, passes
):
    webhook = subscribe()
    receiver.status = 500
    happen()
    while waiting() and db.session.scalar(sa.select(OutboxMessage.given_up_at)) is None:
        deliver_due()
        passes(hours=1)
    attempts = len(receiver.received)
    assert len(deliveries(webhook)) == attempts
    passes(days=1)
    assert deliver_due() == 0
    receiver.status = 200

    assert resend(webhook, deliveries(webhook)[-1]).status_code == 202
    assert deliver_due() == 1

    assert len({received.id for received in receiver.received}) == 1
    assert len(receiver.received) == attempts + 1
    assert outcomes(deliveries(webhook))[:2] == [
        ("succeeded", 200, None),
        ("failed", 500, "unexpected_status"),
    ]


def test_a_resend_repeats_what_was_delivered_under_the_same_id(
    subscribe, receiver, deliveries, resend
):
    webhook = subscribe()
    happen()
    happen()
    deliver_due()
    latest, first = deliveries(webhook)

    answer = resend(webhook, first)

    assert (answer.status_code, answer.json) == (202, first)
    assert deliver_due() == 1
    assert [received.id for received in receiver.received] == [
        first["messageId"],
        latest["messageId"],
        first["messageId"],
    ]
    assert receiver.received[2].verified(webhook["secret"]) == receiver.received[0].verified(
        webhook["secret"]
    )
    assert [delivery["messageId"] for delivery in deliveries(webhook)] == [
        first["messageId"],
        latest["messageId"],
        first["messageId"],
    ]


def test_a_resend_starts_the_retries_anew_and_ends_a_rest(
    subscribe, receiver, deliveries, resend, passes
):
    webhook = subscribe()
    happen()
    deliver_due()
    passes(days=2)
    with transaction():
        db.session.execute(
            sa.update(Webhook).values(rests_until=clock.now() + timedelta(minutes=1))
        )
    receiver.status = 500

    resend(webhook, deliveries(webhook)[0])
    assert deliver_due() == 0
    passes(seconds=5)
    assert deliver_due() == 0
    receiver.status = 200
    passes(seconds=30)
    assert deliver_due() == 1

    assert len({received.id for received in receiver.received}) == 1
    assert outcomes(deliveries(webhook))[1:] == [("failed", 500, "unexpected_status")] * 2 + [
        ("succeeded", 200, None)
    ]


def test_two_resends_at_once_send_it_once_more_and_one_during_a_delivery_sends_it_not_at_all(
    subscribe, receiver, deliveries, resend, monkeypatch
):
    webhook = subscribe()
    happen()
    deliver_due()
    (delivery,) = deliveries(webhook)
    resend(webhook, delivery)
    resend(webhook, delivery)
    post = posting.post

    def resent_meanwhile(*args, **given):
        assert resend(webhook, delivery).status_code == 202
        assert deliver_due() == 0
        return post(*args, **given)

    monkeypatch.setattr(posting, "post", resent_meanwhile)

    assert deliver_due() == 1
    assert deliver_due() == 0
    assert len(receiver.received) == 2


def test_deliveries_have_pages_latest_first(shop, subscribe, deliveries):
    webhook, other = subscribe(events=["coupon.created"]), subscribe(events=["coupon.updated"])
    for _ in range(3):
        happen("coupon.created")
    happen("coupon.updated")
    deliver_due()
    everything = deliveries(webhook)
    assert [delivery["id"] for delivery in everything] == sorted(
        (delivery["id"] for delivery in everything), reverse=True
    )

    pages = [
        shop.get(f"/api/v1/webhooks/{webhook['id']}/deliveries?limit=2&page={page}").json
        for page in (1, 2, 3)
    ]

    assert [page["results"] for page in pages] == [everything[:2], everything[2:], []]
    assert [
        (page["page"], page["limit"], page["totalPages"], page["totalResults"]) for page in pages
    ] == [(page, 2, 2, 3) for page in (1, 2, 3)]
    assert len(deliveries(other)) == 1
    assert refusal(
        shop.get(f"/api/v1/webhooks/{webhook['id']}/deliveries?limit=101"), "discount_coupons"
    ) == (400, "validation_error")


def test_deliveries_go_with_their_message_when_it_is_purged(app, subscribe, deliveries, passes):
    webhook = subscribe()
    happen()
    deliver_due()
    passes(days=7, seconds=1)

    assert app.test_cli_runner().invoke(args=["purge"]).exit_code == 0

    assert deliveries(webhook) == []


def test_no_transaction_is_open_while_a_receiver_takes_its_time(subscribe, receiver, monkeypatch):
    subscribe()
    post = posting.post

    def writing_meanwhile(*args, **given):
        # It would wait for us, and we for it, if we held SQLite's only lock.
        with transaction():
            outbox.write("another topic", {})
        assert db.engine.pool.checkedout() == 0
        return post(*args, **given)

    monkeypatch.setattr(posting, "post", writing_meanwhile)
    happen()

    assert deliver_due() == 1


@pytest.fixture
def workers(database_url):
    """Starts `flask worker` so many times; they are gone at the end."""
    started = []

    def start(count):
        for _ in range(count):
            started.append(
                subprocess.Popen(
                    [*FLASK, "worker"],
                    env=environment(database_url, WEBHOOKS_ALLOW_PRIVATE="true"),
                    cwd=ROOT,
                )
            )
        return started

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


@pytest.mark.server
def test_of_two_workers_each_message_is_delivered_by_one(subscribe, receiver, workers):
    subscribe()
    for number in range(40):
        happen(facts={"number": number})

    workers(2)
    wait_until(lambda: waiting() == 0, "the workers deliver")

    assert Counter(
        json.loads(received.body)["data"]["number"] for received in receiver.received
    ) == dict.fromkeys(range(40), 1)


@pytest.mark.server
def test_what_a_worker_was_delivering_when_it_was_killed_is_delivered_again(
    subscribe, receiver, deliveries, workers, passes
):
    webhook = subscribe()
    happen()
    with receiver.holding():
        (worker,) = workers(1)
        receiver.wait_for(1)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert deliver_due() == 0
    passes(seconds=30)

    assert deliver_due() == 1

    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert outcomes(deliveries(webhook)) == [("succeeded", 200, None), ("started", None, None)]


def test_a_message_whose_webhook_is_gone_is_done_with(app, receiver, allow_private):
    allow_private(True)
    with transaction():
        outbox.write(
            recording.TOPIC, {"webhook_id": str(new_id()), "event": "coupon.created", "body": "{}"}
        )

    assert deliver_due() == 1
    assert (receiver.received, waiting()) == ([], 0)
