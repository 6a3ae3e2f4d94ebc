"""Sessions in parallel: a refresh token works once, and every worker rejects a revoked one."""

import pytest

from ..support.people import make_coupon
from .track import OK, Sums, balances, outcome, outcomes, sums

pytestmark = pytest.mark.server

INVALID_TOKEN = (401, "invalid_token")


def everywhere(track, request):
    """Send a request on ten connections, which two workers share, and count the outcomes."""
    return outcomes(track.at_once([request] * 10))


def refresh(user, token):
    return user.request("POST", "/v1/auth/token/refresh", token=token)


@pytest.mark.parametrize(("times", "families"), [(2, 25), (10, 5)])
def test_a_refresh_token_used_several_times_at_once_works_once_and_its_family_ends(
    track, times, families
):
    *users, bystander = track.users(families + 1)

    answers = track.at_once(
        refresh(user, user.refresh_token) for user in users for _ in range(times)
    )

    won = []
    for number in range(families):
        family = answers[number * times : (number + 1) * times]
        assert outcomes(family) == {OK: 1, INVALID_TOKEN: times - 1}
        won += [answer.json for answer in family if answer.status_code == 200]
    pairs = list(zip(users, won, strict=True))
    # Access tokens first, because showing a spent refresh token again ends its family by itself.
    for token in (lambda user, _: user.access_token, lambda _, new: new["access_token"]):
        assert outcomes(
            track.at_once(
                user.request("GET", "/v1/coupons", token=token(user, new)) for user, new in pairs
            )
        ) == {INVALID_TOKEN: families}
    for token in (lambda _, new: new["refresh_token"], lambda user, _: user.refresh_token):
        assert outcomes(track.at_once(refresh(user, token(user, new)) for user, new in pairs)) == {
            INVALID_TOKEN: families
        }
    assert everywhere(track, bystander.request("GET", "/v1/coupons")) == {OK: 10}


@pytest.mark.parametrize("token", ["access_token", "refresh_token"])
def test_once_a_logout_is_answered_every_request_of_its_session_is_refused_on_every_worker(
    track, token
):
    coupons = [make_coupon(value=1, number_left=1) for _ in range(60)]
    user, bystander = track.users(2, credit=100)
    runners = [[user.use(coupon) for coupon in coupons[number::12]] for number in range(12)]
    runners[0].insert(2, user.request("POST", "/v1/auth/logout", token=getattr(user, token)))

    told = track.race(runners)

    logout = told[0].pop(2)
    assert outcome(logout) == OK
    answers = [told[number % 12][number // 12] for number in range(60)]
    assert set(outcomes(answers)) == {OK, INVALID_TOKEN}
    assert {outcome(answer) for answer in answers if answer.started > logout.ended} == {
        INVALID_TOKEN
    }
    assert {outcome(answer) for answer in answers if answer.ended < logout.started} == {OK}
    bought, not_bought = (
        Sums(capacity=1, claimed=1, uses=1, owed=1, paid=1),
        Sums(capacity=1, claimed=0, uses=0, owed=0, paid=0),
    )
    assert [sums(coupon) for coupon in coupons] == [
        bought if outcome(answer) == OK else not_bought for answer in answers
    ]
    assert balances([user, bystander]) == [100 - outcomes(answers)[OK], 100]

    for dead in (user.request("GET", "/v1/coupons"), refresh(user, user.refresh_token)):
        assert everywhere(track, dead) == {INVALID_TOKEN: 10}
    assert everywhere(track, bystander.request("GET", "/v1/coupons")) == {OK: 10}
