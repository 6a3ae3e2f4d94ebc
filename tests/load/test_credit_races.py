"""Buying coupons in parallel: limits hold, and everybody pays the price in their answer."""

from collections import Counter
from itertools import pairwise

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.models import Redemption

from ..support.people import make_coupon
from .track import OK, Sums, balances, outcome, outcomes, successes, sums

pytestmark = pytest.mark.server

INACTIVE = (400, "coupon_inactive")
EXHAUSTED = (400, "coupon_exhausted")
ALREADY_USED = (400, "coupon_already_used")
INSUFFICIENT = (400, "insufficient_credit")
# The administrator changes the coupon so fast here that twice a claim is refused and the reason is
# gone before it can be reported.
TRY_AGAIN = (503, "service_unavailable")


def test_of_fifty_users_on_ten_units_exactly_ten_get_one(track):
    coupon = make_coupon(value=30, number_left=10)
    users = track.users(50, credit=100)

    answers = track.at_once(user.use(coupon) for user in users)

    assert outcomes(answers) == {OK: 10, EXHAUSTED: 40}
    assert sorted(use["redemption"]["coupon"]["number_left"] for use in successes(answers)) == list(
        range(10)
    )
    assert balances(users) == [70 if outcome(answer) == OK else 100 for answer in answers]
    assert sums(coupon) == Sums(capacity=10, claimed=10, uses=10, owed=300, paid=300)


def test_one_user_fifty_times_at_once_uses_a_coupon_once(track):
    coupon = make_coupon(value=10, number_left=60)
    user = track.user(credit=1000)

    answers = track.at_once([user.use(coupon), user.use_chosen(coupon)] * 25)

    assert outcomes(answers) == {OK: 1, ALREADY_USED: 49}
    assert balances([user]) == [990]
    assert sums(coupon) == Sums(capacity=60, claimed=1, uses=1, owed=10, paid=10)


def test_a_wallet_of_100_pays_for_three_of_forty_purchases_of_30(track):
    coupons = [make_coupon(value=30, number_left=5) for _ in range(40)]
    user = track.user(credit=100)

    answers = track.at_once(user.use(coupon) for coupon in coupons)

    assert outcomes(answers) == {OK: 3, INSUFFICIENT: 37}
    assert sorted(use["credit"] for use in successes(answers)) == [10, 40, 70]
    assert balances([user]) == [10]
    bought, not_bought = (
        Sums(capacity=5, claimed=1, uses=1, owed=30, paid=30),
        Sums(capacity=5, claimed=0, uses=0, owed=0, paid=0),
    )
    assert [sums(coupon) for coupon in coupons] == [
        bought if outcome(answer) == OK else not_bought for answer in answers
    ]


def race_against(track, coupon, changes, buyers):
    """Let twenty-four runners buy while another sends the changes.

    That one also buys before, between and after the changes, which spreads them over the race.
    Returns the answers to the changes and those to the buyers.
    """
    between, others = buyers[: len(changes) + 1], buyers[len(changes) + 1 :]
    first = [buyer.use(coupon) for buyer in between]
    for place, change in enumerate(changes):
        first.insert(2 * place + 1, change)
    changed, *rest = track.race(
        [first, *([buyer.use(coupon) for buyer in others[number::24]] for number in range(24))]
    )
    answers = [None] * len(others)
    for number, runner in enumerate(rest):
        answers[number::24] = runner
    return changed[1::2], [*changed[::2], *answers]


def test_number_left_set_down_and_up_while_users_buy_never_lets_one_use_too_many_through(track):
    coupon = make_coupon(value=10, number_left=6)
    admin, buyers = track.admin(), track.users(217, credit=10)
    lefts = [0, 40, 3, 60, 0, 25, 50, 0, 2, 40, 60, 1, 30, 0, 50, 20, 40, 60, 0, 40, 5, 30, 50, 3]

    changed, bought = race_against(
        track, coupon, [admin.change(coupon, number_left=left) for left in lefts], buyers
    )

    assert [answer.json["data"]["coupons"]["number_left"] for answer in changed] == lefts
    told = outcomes(bought)
    assert set(told) <= {OK, EXHAUSTED, TRY_AGAIN}
    uses = [answer for answer in bought if outcome(answer) == OK]
    assert 0 < len(uses) <= 6 + sum(lefts)
    for left, (change, next_change) in zip(lefts, pairwise(changed), strict=False):
        # Purchases that were sent and answered while this number was in force.
        assert (
            len(
                [
                    use
                    for use in uses
                    if change.ended < use.started and use.ended < next_change.started
                ]
            )
            <= left
        )
    assert balances(buyers) == [0 if outcome(answer) == OK else 10 for answer in bought]
    books = sums(coupon)
    assert books == Sums(books.capacity, len(uses), len(uses), 10 * len(uses), 10 * len(uses))

    left = books.capacity - books.claimed
    latecomers = track.users(left + 1, credit=10)
    assert outcomes(track.at_once(user.use(coupon) for user in latecomers)) == Counter(
        {OK: left, EXHAUSTED: 1}
    )


def test_everybody_pays_what_the_answer_says_while_the_price_is_changed(track):
    coupon = make_coupon(value=30, number_left=200)
    admin, buyers = track.admin(), track.users(105, credit=100)
    prices = [20, 50, 10, 40, 0, 60, 25, 35]

    changed, bought = race_against(
        track, coupon, [admin.change(coupon, value=price) for price in prices], buyers
    )

    assert [answer.json["data"]["coupons"]["value"] for answer in changed] == prices
    assert set(outcomes(bought)) <= {OK, TRY_AGAIN}
    # A price is in force from when its change is sent, at the earliest, until the next change is
    # answered, at the latest.
    sent, answered = [answer.started for answer in changed], [answer.ended for answer in changed]
    in_force = list(zip([30, *prices], [0.0, *sent], [*answered, float("inf")], strict=True))
    paid = {}
    for buyer, answer in zip(buyers, bought, strict=True):
        if outcome(answer) != OK:
            paid[buyer.id] = 0
            continue
        use = answer.json["data"]
        paid[buyer.id] = price = use["redemption"]["credit_spent"]
        assert use["redemption"]["coupon"]["value"] == price
        assert use["credit"] == 100 - price
        assert price in {
            one for one, start, end in in_force if start < answer.ended and answer.started < end
        }
    assert balances(buyers) == [100 - paid[buyer.id] for buyer in buyers]
    amounts = dict(
        db.session.execute(
            sa.select(Redemption.account_id, Redemption.amount).where(
                Redemption.stock_id == coupon.stock_id
            )
        ).all()
    )
    uses = outcomes(bought)[OK]
    assert amounts == {
        buyer.id: paid[buyer.id]
        for buyer, answer in zip(buyers, bought, strict=True)
        if outcome(answer) == OK
    }
    assert sums(coupon) == Sums(200, uses, uses, sum(paid.values()), sum(paid.values()))


def test_once_a_deactivation_is_answered_nobody_buys_any_more(track):
    coupon = make_coupon(value=10, number_left=200)
    admin, buyers = track.admin(), track.users(98, credit=10)

    (deactivated,), bought = race_against(
        track, coupon, [admin.request("DELETE", f"/v1/coupons/{coupon.id}")], buyers
    )

    assert deactivated.json["data"]["coupons"]["active"] is False
    assert set(outcomes(bought)) == {OK, INACTIVE}
    assert {outcome(answer) for answer in bought if answer.started > deactivated.ended} == {
        INACTIVE
    }
    assert {outcome(answer) for answer in bought if answer.ended < deactivated.started} == {OK}
    uses = outcomes(bought)[OK]
    assert balances(buyers) == [0 if outcome(answer) == OK else 10 for answer in bought]
    assert sums(coupon) == Sums(200, uses, uses, 10 * uses, 10 * uses)
