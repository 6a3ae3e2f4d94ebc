"""identity/failed_attempts.py: so many failures in ten minutes, then nothing more is tried."""

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import errors
from coupon_management_flask.db.held_commit import held_commit
from coupon_management_flask.db.session import db
from coupon_management_flask.identity import failed_attempts
from coupon_management_flask.models import GuessLog

from ..support.people import make_coupon, make_user, sign_in

pytestmark = pytest.mark.both_databases

LIMITS = {"code:alice": 3}


def wait(limits=LIMITS):
    """Return the seconds until another attempt is allowed, 0 if it is allowed now."""
    try:
        failed_attempts.check(limits)
    except errors.RateLimited as refused:
        return refused.facts["retry_after"]
    return 0


def test_as_many_wrong_guesses_as_the_limit_says_are_allowed_and_then_none(app):
    for _ in range(3):
        assert wait() == 0
        failed_attempts.record(LIMITS)

    assert wait() > 0


def test_the_window_slides_with_each_guess(app, time):
    for _ in range(3):
        failed_attempts.record(LIMITS)
        time.passes(minutes=4)

    # Wrong at 0, 4 and 8 minutes; it is 12, so the first has left the window.
    assert wait() == 0
    failed_attempts.record(LIMITS)
    assert wait() == 120
    time.passes(seconds=118.5)
    assert wait() == 2
    time.passes(seconds=1.5)
    assert wait() == 0
    failed_attempts.record(LIMITS)
    assert wait() == 240


def test_a_guess_counts_for_exactly_ten_minutes(app, time):
    for _ in range(3):
        failed_attempts.record(LIMITS)

    assert wait() == 600
    time.passes(minutes=10, microseconds=-1)
    assert wait() == 1
    time.passes(microseconds=1)
    assert wait() == 0


def test_where_a_limit_was_lowered_the_latest_guesses_count(app, time):
    for _ in range(5):
        failed_attempts.record({"code:alice": 5})
        time.passes(minutes=1)

    # Wrong at 0, 1, 2, 3 and 4 minutes; it is 5, and the new limit looks at the last three.
    assert wait(LIMITS) == 7 * 60


def test_looking_costs_one_select_and_no_write(app, statements):
    assert wait() == 0

    assert [statement.split()[0] for statement in statements] == ["SELECT"]


def test_being_refused_does_not_lengthen_the_wait(app, time):
    for _ in range(3):
        failed_attempts.record(LIMITS)
    time.passes(minutes=5)

    assert [wait(), wait(), wait()] == [300, 300, 300]


def test_each_subject_has_guesses_of_its_own(app):
    for _ in range(3):
        failed_attempts.record(LIMITS)

    assert wait({"code:bob": 3}) == 0


def test_each_subject_has_a_limit_of_its_own_and_the_longest_wait_counts(app, time):
    both = {"code:alice": 2, "address:203.0.113.7": 4}
    failed_attempts.record({"address:203.0.113.7": 4})
    time.passes(minutes=1)
    failed_attempts.record({"address:203.0.113.7": 4})
    time.passes(minutes=1)
    for _ in range(2):
        assert wait(both) == 0
        failed_attempts.record(both)

    assert wait({"code:alice": 2}) == 600
    assert wait({"address:203.0.113.7": 4}) == 480
    assert wait(both) == 600


def test_of_a_burst_only_as_many_as_the_limit_allows_are_told_that_they_were_wrong(app, together):
    outcomes = together(*[lambda: failed_attempts.record(LIMITS)] * 8)

    assert [type(outcome) for outcome in outcomes if outcome is not None] == [
        errors.RateLimited
    ] * 5
    assert wait() > 0


def test_one_wrong_guess_too_many_is_noted_all_the_same(app, time):
    for _ in range(3):
        failed_attempts.record(LIMITS)
    time.passes(minutes=5)

    with pytest.raises(errors.RateLimited) as refused:
        failed_attempts.record(LIMITS)

    assert refused.value.facts == {"retry_after": 300}
    time.passes(minutes=5)
    # Of the three that count, two were five minutes later than the first.
    assert wait() == 0
    assert len(db.session.scalar(sa.select(GuessLog.moments))) == 3


def test_without_limits_nothing_is_counted_and_nothing_asked(app, statements):
    for _ in range(20):
        failed_attempts.record({})
        failed_attempts.check({})

    assert statements == []


def test_a_wrong_guess_is_committed_before_its_request_fails(app, elsewhere):
    failed_attempts.record(LIMITS)

    assert (
        elsewhere(
            lambda: db.session.scalar(sa.select(sa.func.count()).select_from(GuessLog))
        ).result()
        == 1
    )


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "one key for all"}])
def test_wrong_codes_are_remembered_though_their_requests_fail(configured_app, key):
    client = configured_app(rate_limits_enabled=True).test_client()
    alice = sign_in(client, *make_user(username="alice", credit=100))
    coupon = make_coupon()
    for _ in range(10):
        assert alice.post("/v1/coupons/use/WRONG", headers=key).status_code == 404

    refused = alice.post(f"/v1/coupons/use/{coupon.hidden_code}")

    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 600
    assert refused.json["error"]["error_code"] == "rate_limited"


def test_a_wrong_guess_outlives_an_answer_that_was_never_finished(app):
    with held_commit():
        failed_attempts.record(LIMITS)

    assert db.session.scalar(sa.select(sa.func.count()).select_from(GuessLog)) == 1
