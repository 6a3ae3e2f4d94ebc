"""Idempotency-Key in parallel and with dying workers: the work is done once, with one answer."""

import sys
from datetime import timedelta

import psutil
import pytest
import requests
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import IdempotencyKey

from ..support.books import read_books
from ..support.people import make_coupon
from ..support.waiting import wait_until
from .track import OK, Sums, balances, laid_track, one_race, outcome, outcomes, successes, sums

pytestmark = pytest.mark.server

IN_USE = (409, "idempotency_key_in_use")
REUSED = (422, "idempotency_key_reused")


def test_a_key_sent_twenty_times_at_once_is_one_use_and_one_answer(track):
    coupon = make_coupon(value=30, number_left=20)
    user = track.user(credit=100)
    request = user.use(coupon, idempotency_key="7f1c")

    answers = track.at_once([request] * 20)

    told = outcomes(answers)
    assert set(told) <= {OK, IN_USE}
    (first,) = [
        answer
        for answer in answers
        if outcome(answer) == OK and "idempotent-replayed" not in answer.headers
    ]
    # All requests are answered, so the first one is done. Whoever was told to wait gets the answer
    # now.
    again = track.at_once([request] * 20)
    for answer in [
        *again,
        *(answer for answer in answers if outcome(answer) == OK and answer is not first),
    ]:
        assert (answer.status_code, answer.text, answer.mimetype) == (
            200,
            first.text,
            first.mimetype,
        )
        assert answer.headers["idempotent-replayed"] == "true"
    assert balances([user]) == [70]
    assert sums(coupon) == Sums(capacity=20, claimed=1, uses=1, owed=30, paid=30)


def test_a_key_sent_with_twenty_different_requests_at_once_belongs_to_one_of_them(track):
    coupons = [make_coupon(value=5, number_left=1) for _ in range(20)]
    user = track.user(credit=100)

    answers = track.at_once(user.use(coupon, idempotency_key="7f1c") for coupon in coupons)

    assert outcomes(answers) == {OK: 1, REUSED: 19}
    assert balances([user]) == [95]
    bought, not_bought = (
        Sums(capacity=1, claimed=1, uses=1, owed=5, paid=5),
        Sums(capacity=1, claimed=0, uses=0, owed=0, paid=0),
    )
    assert [sums(coupon) for coupon in coupons] == [
        bought if outcome(answer) == OK else not_bought for answer in answers
    ]


@pytest.fixture
def dying_track(fresh_database_url, clients):
    # A server for each death, so that each test begins with two workers that have done nothing.
    with (
        laid_track(
            fresh_database_url, clients, command=[sys.executable, "-m", "tests.support.dying_app"]
        ) as laid,
        one_race(laid) as track,
    ):
        yield track


def send_to_death(track, request):
    """Send a request that kills its worker, and wait until another one has replaced it."""
    wait_until(lambda: len(track.server.worker_pids()) == 2, "both workers are there")
    workers = set(track.server.worker_pids())
    with pytest.raises(requests.ConnectionError):
        track.server.request(
            request.method, request.path, json=request.json, headers=request.headers
        )

    def is_replaced():
        try:
            now = set(track.server.worker_pids())
        except psutil.Error:
            # A worker ended while we looked.
            return False
        return len(now) == 2 and len(now & workers) == 1

    wait_until(is_replaced, "another worker has taken the place of the dead one")


def test_what_a_worker_committed_and_died_before_it_answered_is_answered_to_the_retry(dying_track):
    coupon = make_coupon(value=30, number_left=5)
    user = dying_track.user(credit=100)

    send_to_death(dying_track, user.use(coupon, idempotency_key="7f1c", die_after="answer"))

    done = Sums(capacity=5, claimed=1, uses=1, owed=30, paid=30)
    assert (balances([user]), sums(coupon)) == ([70], done)
    before = read_books()
    retries = dying_track.at_once([user.use(coupon, idempotency_key="7f1c")] * 10)
    assert outcomes(retries) == {OK: 10}
    assert {answer.headers.get("idempotent-replayed") for answer in retries} == {"true"}
    assert {answer.text.encode() for answer in retries} == {
        db.session.scalar(sa.select(IdempotencyKey.body))
    }
    use = successes(retries)[0]
    assert (
        use["credit"],
        use["redemption"]["credit_spent"],
        use["redemption"]["coupon"]["number_left"],
    ) == (70, 30, 4)
    assert read_books() == before


# Between the debit and the claim, and right before the commit.
@pytest.mark.parametrize("statement", ["UPDATE wallets", "UPDATE idempotency_keys"])
def test_what_a_worker_died_in_the_middle_of_is_done_once_when_its_lease_has_lapsed(
    dying_track, statement
):
    coupon = make_coupon(value=30, number_left=5)
    user = dying_track.user(credit=100)
    retry = user.use(coupon, idempotency_key="7f1c")
    before = read_books()

    send_to_death(dying_track, user.use(coupon, idempotency_key="7f1c", die_after=statement))

    assert read_books() == before
    assert outcomes(dying_track.at_once([retry] * 5)) == {IN_USE: 5}
    assert read_books() == before
    with transaction():
        db.session.execute(
            sa.update(IdempotencyKey).values(leased_until=clock.now() - timedelta(seconds=1))
        )

    answers = dying_track.at_once([retry] * 5)
    assert set(outcomes(answers)) <= {OK, IN_USE}
    (first,) = [
        answer
        for answer in answers
        if outcome(answer) == OK and "idempotent-replayed" not in answer.headers
    ]
    assert (balances([user]), sums(coupon)) == (
        [70],
        Sums(capacity=5, claimed=1, uses=1, owed=30, paid=30),
    )
    last = dying_track.send(retry)
    assert (last.text, last.headers["idempotent-replayed"]) == (first.text, "true")
