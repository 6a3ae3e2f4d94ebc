"""Guessing in parallel: however many try at once, only ten are told that they were wrong.

The others learn nothing until the window is over.
"""

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import failed_attempts
from coupon_management_flask.models import GuessLog

from ..conftest import DATABASES
from ..support.books import read_books
from ..support.people import PASSWORD, make_coupon
from .clients import Request
from .track import OK, laid_track, one_race, outcomes

pytestmark = pytest.mark.server

LIMITED = (429, "rate_limited")


@pytest.fixture(scope="module", params=DATABASES)
def limiting_server(request, new_database, clients):
    with laid_track(new_database(request.param), clients, RATE_LIMITS_ENABLED="true") as laid:
        yield laid


@pytest.fixture
def limiting_track(limiting_server):
    with one_race(limiting_server) as track:
        # All races come from one address, whose failed attempts are counted too.
        with transaction():
            db.session.execute(sa.delete(GuessLog))
        yield track


def log_in(username, password):
    return Request("POST", "/v1/auth/login", {"username": username, "password": password})


def test_of_thirty_wrong_passwords_at_once_ten_are_told_so_and_then_the_right_one_is_not_heard(
    limiting_track,
):
    alice, bob = limiting_track.users(2)
    before = read_books()

    answers = limiting_track.at_once(
        log_in(alice.username, f"wrong {number}") for number in range(30)
    )

    assert outcomes(answers) == {(401, "wrong_credentials"): 10, LIMITED: 20}
    assert outcomes(limiting_track.at_once([log_in(alice.username, PASSWORD)] * 10)) == {
        LIMITED: 10
    }
    assert outcomes([limiting_track.send(log_in(bob.username, PASSWORD))]) == {OK: 1}
    assert read_books() == before


def test_of_thirty_wrong_codes_at_once_ten_are_told_so_and_then_the_right_one_is_not_heard(
    limiting_track,
):
    coupon = make_coupon(value=30)
    user = limiting_track.user(credit=100)
    before = read_books()
    ways = [
        user.request("GET", "/v1/coupons/wrong"),
        user.request("POST", "/v1/coupons/use/wrong"),
        user.request("POST", f"/v1/coupons/{coupon.id}/use", {"hidden_code": "wrong"}),
    ]

    told = outcomes(limiting_track.at_once(ways * 10))

    assert set(told) <= {(404, "coupon_not_found"), (400, "wrong_hidden_code"), LIMITED}
    assert told[LIMITED] == 20
    assert outcomes(limiting_track.at_once([user.use(coupon), user.use_chosen(coupon)] * 5)) == {
        LIMITED: 10
    }
    assert read_books() == before


def test_wrong_codes_of_three_users_at_one_address_count_together(limiting_track):
    users = limiting_track.users(3)
    for _ in range(90):
        failed_attempts.record({"code:address:127.0.0.1": 100})
    before = read_books()

    answers = limiting_track.at_once(
        user.request("GET", "/v1/coupons/wrong") for user in users * 10
    )

    assert outcomes(answers) == {(404, "coupon_not_found"): 10, LIMITED: 20}
    assert read_books() == before
