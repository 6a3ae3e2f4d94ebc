"""`celery worker` and `celery beat` give the outbox its turns, whatever happens to any of them."""

import json
import re
import signal
import subprocess
import time
from collections import Counter
from datetime import timedelta

import pytest
import redis
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.discount_coupons.bulk import batches, generation
from coupon_management_flask.messaging import lanes
from coupon_management_flask.models import OutboxMessage
from coupon_management_flask.tasks import jobs

from ..support.ports import free_port
from ..support.redis import running_redis
from ..support.server import ROOT, STRONG_KEY, environment
from ..support.waiting import wait_until
from .conftest import CELERY, START_SECONDS, happen, messages, wait_until_all_are_delivered

pytestmark = pytest.mark.server

TOPICS = len(jobs.BACKGROUND.names())
# What a worker delivers to one receiver at once.
AT_ONCE = lanes.MOST_AT_ONCE
# Said once in an hour, by who has the first turn.
A_TURN = "worker.purged"
TEMPLATE = {"type": "percentage", "discount": 10, "couponFor": "product"}


@pytest.mark.parametrize("kind", ["postgresql", pytest.param("sqlite", marks=pytest.mark.long)])
def test_what_is_written_down_is_delivered_and_a_turn_is_no_line_in_the_log(celery, receiver):
    happen(1)
    in_production = {"APP_ENV": "production", "SECRET_KEY": STRONG_KEY}
    worker, beat = celery("worker", **in_production), celery("beat", **in_production)
    wait_until_all_are_delivered()
    happen(2)
    wait_until_all_are_delivered()

    assert Counter(
        json.loads(received.body)["data"]["number"] for received in receiver.received
    ) == {1: 1, 2: 1}
    lines = [json.loads(line)["event"] for line in (worker.log() + beat.log()).splitlines()]
    assert [line for line in lines if "turn" in line] == []
    assert any(line.endswith("ready.") for line in lines)


@pytest.mark.long
def test_of_two_workers_and_two_beats_each_message_is_delivered_once(celery, receiver):
    for number in range(40):
        happen(number)
    for command in ("worker", "beat") * 2:
        celery(command)

    wait_until_all_are_delivered()

    assert Counter(
        json.loads(received.body)["data"]["number"] for received in receiver.received
    ) == dict.fromkeys(range(40), 1)
    assert {message.attempts for message in messages()} == {1}


def test_what_a_worker_was_delivering_when_it_was_killed_another_delivers_after_the_lease(
    celery, receiver
):
    killed = celery("worker")
    celery("beat")
    killed.says(A_TURN)
    with receiver.holding():
        happen()
        receiver.wait_for(1)
        killed.kill()
    (message,) = messages()
    assert (message.delivered_at, message.attempts) == (None, 0)
    assert timedelta(0) < message.due_at - clock.now() <= timedelta(seconds=30)

    with transaction():
        db.session.execute(sa.update(OutboxMessage).values(due_at=clock.now()))
    celery("worker")
    wait_until_all_are_delivered()

    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)


@pytest.mark.long
def test_a_slow_topic_holds_up_no_other_and_a_worker_that_stops_finishes_what_it_has_begun(
    celery, service, receiver
):
    worker = celery("worker")
    celery("beat")
    worker.says(A_TURN)
    with receiver.holding():
        for number in range(AT_ONCE + 2):
            happen(number)
        receiver.wait_for(AT_ONCE)
        batch = generation.generate(
            None, count=1_001, pattern="##########", template=TEMPLATE, currency="EUR"
        )
        wait_until(lambda: batches.read(batch.batch_id).status == "done", "the batch is made")
        assert len(receiver.received) == AT_ONCE
        worker.popen.send_signal(signal.SIGTERM)
        worker.says("Warm shutdown")
    assert worker.popen.wait(timeout=60) == 0

    told = [message for message in messages() if message.topic == "webhook"]
    assert [(message.delivered_at is not None, message.attempts) for message in told] == [
        (True, 1)
    ] * AT_ONCE + [(False, 0)] * 2
    assert len(receiver.received) == AT_ONCE


@pytest.mark.long
def test_a_broker_that_is_away_is_waited_for_at_the_start_and_later(celery, receiver, redis_server):
    if not redis_server.command:
        pytest.skip("TEST_REDIS_URL names a server that is not ours to stop")
    with running_redis() as broker:
        broker.stop()
        broker_url = broker.url.rpartition("/")[0] + "/1"
        happen(1)
        worker, beat = (
            celery("worker", CELERY_BROKER_URL=broker_url),
            celery("beat", CELERY_BROKER_URL=broker_url),
        )
        worker.says("Cannot connect")
        beat.says("Connection error")
        broker.start()
        wait_until_all_are_delivered()

        broker.stop()
        happen(2)
        beat.says("beat.broker_unavailable")
        worker.says("Connection to broker lost")
        # As long as eight turns for each topic.
        time.sleep(8)
        broker.start()
        wait_until_all_are_delivered()

        assert (worker.end(), beat.end()) == (0, 0)
    assert len(receiver.received) == 2
    # It was away twice: a line when it went and one when it was back, whatever was tried meanwhile.
    for process in (worker, beat):
        log = process.log()
        assert (
            len(re.findall("Cannot connect|Connection (?:error|to broker)|unavailable", log)) == 2
        )
        assert log.count("broker.available") == 2


@pytest.mark.long
def test_without_a_worker_turns_do_not_pile_up_and_with_one_they_go_on(
    celery, broker_url, receiver
):
    with redis.Redis.from_url(broker_url) as client:
        beat = celery("beat")
        for _ in range(3):
            wait_until(lambda: client.llen("coupons") >= TOPICS, "beat gives turns", START_SECONDS)
            # More would be there by the time that one has been taken and given anew.
            assert client.llen("coupons") == TOPICS
            client.lpop("coupons")
    happen()
    celery("worker")
    wait_until_all_are_delivered()

    assert beat.end() == 0


def test_a_worker_whose_database_is_away_ends_with_a_sentence_and_beat_needs_none(
    celery, broker_url
):
    away = {"DATABASE_URL": f"postgresql://coupons:p4ss@127.0.0.1:{free_port()}/coupons"}
    worker, beat = (
        celery("worker", **away),
        celery("beat", APP_ENV="production", **{**away, "DATABASE_URL": ""}),
    )

    assert worker.popen.wait(timeout=START_SECONDS) == 1
    (sentence,) = [line for line in worker.log().splitlines() if line.strip()]
    assert "is not available" in sentence
    with redis.Redis.from_url(broker_url) as client:
        wait_until(lambda: client.llen("coupons"), "beat gives turns", START_SECONDS)
    assert beat.end() == 0


def test_without_a_broker_there_is_no_celery_and_one_sentence_says_so(tmp_path):
    ended = subprocess.run(
        [*CELERY, "worker"],
        env=environment(f"sqlite:///{tmp_path}/x.db"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    (sentence,) = ended.stderr.splitlines()
    assert sentence.startswith("Configuration: CELERY_BROKER_URL is not set")
