"""Wrong passwords: after ten for an account in ten minutes, no password is tried."""

from datetime import timedelta
from itertools import cycle, islice

import pytest

from coupon_management_flask.core import clock

from ..support.books import read_books
from ..support.envelope import refused
from ..support.people import PASSWORD, make_user

WRONG = "wrong horse 1"


@pytest.fixture
def passes(monkeypatch):
    """Stop the clock, and let time pass by hand."""
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)

    def let_pass(**span):
        nonlocal moment
        moment += timedelta(**span)

    return let_pass


@pytest.fixture
def sign_in(configured_app):
    """Try to sign in where failed attempts are limited. There are alice and bob."""
    client = configured_app(rate_limits_enabled=True).test_client()
    for username in ("alice", "bob"):
        make_user(username=username, email=f"{username}@example.com", credit=100)
    return lambda username, password=PASSWORD, address="203.0.113.7": client.post(
        "/v1/auth/login",
        json={"username": username, "password": password},
        environ_overrides={"REMOTE_ADDR": address},
    )


def guess(sign_in, names, times=10):
    """Try wrong passwords under each of the names in turn."""
    for name in islice(cycle(names), times):
        refused(sign_in(name, WRONG), 401, "wrong_credentials")


def limited(answer, retry_after):
    refused(answer, 429, "rate_limited")
    assert answer.headers["Retry-After"] == str(retry_after)
    policy, limit = answer.headers["RateLimit-Policy"], answer.headers["RateLimit"]
    assert policy in (
        '"wrong_passwords";q=10;w=600',
        '"wrong_passwords_by_address";q=100;w=600',
    )
    assert limit == f"{policy.partition(';')[0]};r=0;t={retry_after}"


BY = {
    "username": ["alice"],
    "e-mail": ["alice@example.com"],
    "both": ["alice", "alice@example.com"],
    "any case": ["ALICE", "alice", "Alice@Example.com"],
}


@pytest.mark.parametrize("names", BY.values(), ids=BY)
def test_after_ten_wrong_passwords_the_right_one_is_not_tried_either(sign_in, passes, names):
    guess(sign_in, names)
    before = read_books()

    for name in ("alice", "alice@example.com"):
        limited(sign_in(name, WRONG), 600)
        limited(sign_in(name), 600)
    assert read_books() == before


@pytest.mark.parametrize(
    "names", [["nobody"], ["nobody@example.com"], ["NoBody", "nobody"], [""]], ids=str
)
def test_an_unknown_user_is_treated_like_any(sign_in, passes, names):
    guess(sign_in, names)

    limited(sign_in(names[0], WRONG), 600)
    limited(sign_in(names[0]), 600)
    passes(minutes=10)
    refused(sign_in(names[0]), 401, "wrong_credentials")


def test_from_another_address_it_is_the_same_account(sign_in, passes):
    guess(sign_in, ["alice"])

    limited(sign_in("alice", address="203.0.113.8"), 600)


def test_nobody_else_has_to_wait(sign_in, passes):
    guess(sign_in, ["alice"])

    assert sign_in("bob").status_code == 200
    refused(sign_in("nobody"), 401, "wrong_credentials")


def test_nine_wrong_ones_are_no_reason_to_wait(sign_in, passes):
    guess(sign_in, ["alice"], 9)

    assert sign_in("alice").status_code == 200


def test_a_right_password_in_between_wipes_nothing_out_and_counts_for_nothing(sign_in, passes):
    guess(sign_in, ["alice"], 9)
    for _ in range(3):
        assert sign_in("alice").status_code == 200
    guess(sign_in, ["alice"], 1)

    limited(sign_in("alice"), 600)


def test_ten_minutes_later_it_is_free_again_to_the_microsecond(sign_in, passes):
    guess(sign_in, ["alice"])

    passes(minutes=10, microseconds=-1)
    limited(sign_in("alice"), 1)
    passes(microseconds=1)
    assert sign_in("alice").status_code == 200


def test_the_ten_minutes_slide_with_each_wrong_one(sign_in, passes):
    guess(sign_in, ["alice"], 5)
    passes(minutes=6)
    guess(sign_in, ["alice"], 5)

    limited(sign_in("alice"), 240)
    passes(minutes=4)
    guess(sign_in, ["alice"], 5)
    limited(sign_in("alice"), 360)


def test_being_turned_away_does_not_lengthen_the_wait(sign_in, passes):
    guess(sign_in, ["alice"])
    passes(minutes=9)
    for _ in range(12):
        limited(sign_in("alice", WRONG), 60)

    passes(minutes=1)
    assert sign_in("alice").status_code == 200


def test_where_rate_limits_are_off_nobody_has_to_wait(client):
    make_user(username="alice")
    for _ in range(11):
        refused(
            client.post("/v1/auth/login", json={"username": "alice", "password": WRONG}),
            401,
            "wrong_credentials",
        )

    assert (
        client.post("/v1/auth/login", json={"username": "alice", "password": PASSWORD}).status_code
        == 200
    )
