"""E-mail coupons in parallel and with dying workers: one code and one mail for each pair."""

import sys
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import DiscountCoupon, EmailCoupon, OutboxMessage, Stock

from ..conftest import DATABASES, empty_tables
from ..support.waiting import wait_until
from .clients import MOST_AT_ONCE, Request
from .test_idempotency_races import send_to_death
from .track import laid_track, one_race

pytestmark = pytest.mark.server

# One pair, spelled in two ways.
PAIRS = [
    {"email": "user@example.com", "website": "example.com"},
    {"email": "User@EXAMPLE.com", "website": "https://www.example.com/shop"},
]


@pytest.fixture(scope="module", params=DATABASES)
def mailing_server(request, new_database, clients):
    with laid_track(new_database(request.param), clients) as laid:
        yield laid


@pytest.fixture
def mailing_track(mailing_server):
    with one_race(mailing_server) as track:
        empty_tables()
        yield track


def asking(pair=PAIRS[0], **headers):
    return Request("POST", "/api/coupons/", pair, headers)


def ask_at_once(track):
    """Send 50 requests for one pair's code at once and return the answers."""
    return track.at_once(asking(pair) for pair in PAIRS * (MOST_AT_ONCE // 2))


def assert_one_is_new(answers):
    """Check that one answer has a new code and all others the same one. Return the code."""
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: len(answers) - 1}
    assert len({answer.text for answer in answers}) == 1
    return answers[0].json["code"]


def counts():
    """Count codes, discount coupons, stocks and mails."""
    return tuple(
        db.session.scalar(sa.select(sa.func.count()).select_from(model))
        for model in (EmailCoupon, DiscountCoupon, Stock, OutboxMessage)
    )


def change(statement):
    with transaction():
        db.session.execute(statement)


def wait_for_mails():
    waiting = (
        sa.select(sa.func.count())
        .select_from(OutboxMessage)
        .where(OutboxMessage.delivered_at.is_(None))
    )
    wait_until(lambda: db.session.scalar(waiting) == 0, "all mails are sent")


def test_of_50_who_ask_for_one_pair_at_once_one_makes_the_code(mailing_track):
    assert_one_is_new(ask_at_once(mailing_track))
    assert counts() == (1, 1, 1, 1)


def test_of_50_who_ask_when_the_code_has_expired_one_makes_the_next(mailing_track):
    first = assert_one_is_new(ask_at_once(mailing_track))
    change(sa.update(DiscountCoupon).values(expires_at=clock.now() - timedelta(seconds=1)))

    assert assert_one_is_new(ask_at_once(mailing_track)) != first
    assert counts() == (2, 2, 2, 2)
    assert sorted(db.session.scalars(sa.select(EmailCoupon.number))) == [1, 2]


def test_of_50_who_ask_an_hour_after_the_mail_one_has_it_sent_again(mailing_track):
    code = assert_one_is_new(ask_at_once(mailing_track))
    wait_for_mails()
    change(sa.update(OutboxMessage).values(delivered_at=clock.now() - timedelta(hours=1)))

    answers = ask_at_once(mailing_track)

    assert Counter((answer.status_code, answer.json["code"]) for answer in answers) == {
        (200, code): MOST_AT_ONCE
    }
    assert counts() == (1, 1, 1, 2)
    wait_for_mails()


def test_50_who_ask_for_pairs_of_their_own_at_once_get_codes_of_their_own(mailing_track):
    answers = mailing_track.at_once(
        asking({"email": f"user{number}@example.com", "website": "example.com"})
        for number in range(MOST_AT_ONCE)
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["code"] for answer in answers}) == MOST_AT_ONCE
    assert counts() == (MOST_AT_ONCE,) * 4


@pytest.fixture
def dying_track(fresh_database_url, clients):
    with (
        laid_track(
            fresh_database_url, clients, command=[sys.executable, "-m", "tests.support.dying_app"]
        ) as laid,
        one_race(laid) as track,
    ):
        yield track


# Right before the commit and right after it.
@pytest.mark.parametrize(
    ("moment", "left"),
    [("INSERT INTO email_coupons", 0), ("answer", 1)],
    ids=["before the commit", "after it"],
)
def test_a_worker_that_dies_has_made_the_code_with_its_mail_or_nothing(dying_track, moment, left):
    send_to_death(dying_track, asking(**{"Die-After": moment}))
    assert counts() == (left,) * 4

    answers = dying_track.at_once([asking()] * 5)

    assert Counter(answer.status_code for answer in answers) == (
        {200: 5} if left else {201: 1, 200: 4}
    )
    assert counts() == (1, 1, 1, 1)
