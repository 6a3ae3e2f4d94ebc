"""What happens while the antifraud service thinks.

Who shares its answer, who is turned away, what others can do, and what may have changed by then.
"""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.models import IdempotencyKey

from ...support.antifraud import BROKEN, NO, YES, verdict
from ...support.promos import new_user, publish
from ...support.waiting import wait_until
from .answers import ACTIVATED, PLACES, REFUSED, UNAVAILABLE, activate, refusal

FAR = "2999-01-01T00:00:00"
TODAY, YESTERDAY = (
    (datetime.now(UTC) + timedelta(days=days)).date().isoformat() for days in (0, -1)
)
KEY = {"Idempotency-Key": "key-1"}


def used(company, promo):
    return company.get(f"/api/business/promo/{promo}").json["used_count"]


@pytest.mark.parametrize(
    ("reply", "activations"),
    [(YES, PLACES), (verdict(True, FAR), PLACES), (NO, 0)],
    ids=["yes", "yes, to be remembered", "no"],
)
def test_parallel_activations_of_a_user_ask_once_whatever_the_promo(
    reply, activations, antifraud, alice, company, promo, take_all_places
):
    other_promo = publish(company, promo_common="tea-10", max_count=1000)
    antifraud.replies_about[alice.email] = reply
    with antifraud.holding(alice.email):
        waiting = take_all_places(alice, promo, other_promo)
        assert antifraud.asked_about(alice.email) == 1
    answers = [one.result(timeout=20) for one in waiting]

    assert antifraud.asked_about(alice.email) == 1
    assert [answer.json for answer in answers if answer.status_code == 200] == [
        ACTIVATED
    ] * activations
    assert [refusal(answer) for answer in answers if answer.status_code != 200] == [REFUSED] * (
        PLACES - activations
    )
    assert used(company, promo) + used(company, other_promo) == activations


def test_parallel_activations_share_a_failure_and_a_later_one_asks_again(
    antifraud, alice, company, promo, take_all_places
):
    antifraud.replies_about[alice.email] = BROKEN
    with antifraud.holding(alice.email):
        waiting = take_all_places(alice, promo)
    assert [refusal(one.result(timeout=20)) for one in waiting] == [REFUSED] * PLACES
    assert antifraud.asked_about(alice.email) == 2  # once, and once more as after every failure
    assert used(company, promo) == 0

    antifraud.replies_about[alice.email] = YES
    assert activate(alice, promo).json == ACTIVATED
    assert antifraud.asked_about(alice.email) == 3


def test_an_answer_that_was_shared_is_not_remembered_for_whoever_comes_later(
    antifraud, alice, promo, take_all_places
):
    with antifraud.holding(alice.email):
        waiting = take_all_places(alice, promo)
    assert [one.result(timeout=20).json for one in waiting] == [ACTIVATED] * PLACES

    antifraud.replies_about[alice.email] = NO
    assert refusal(activate(alice, promo)) == REFUSED
    assert antifraud.asked_about(alice.email) == 2


def test_others_are_not_held_up(antifraud, alice, bob, promo, in_background):
    with antifraud.holding(alice.email) as held:
        waiting = in_background(alice, promo)
        held.wait_for(1)

        assert activate(bob, promo).json == ACTIVATED
        assert (
            bob.post(
                f"/api/user/promo/{promo}/comments", json={"text": "Somebody else is waiting."}
            ).status_code
            == 201
        )
        assert not waiting.done()
    assert waiting.result(timeout=20).json == ACTIVATED


def test_at_most_half_of_the_threads_wait_and_more_are_turned_away(
    antifraud, bob, client, company, promo, in_background, books
):
    users = [new_user(client) for _ in range(PLACES)]
    with antifraud.holding() as held:
        waiting = [in_background(user, promo) for user in users]
        held.wait_for(PLACES)
        before = books()

        answer = activate(bob, promo)
        assert refusal(answer) == UNAVAILABLE
        assert int(answer.headers["Retry-After"]) >= 1
        assert books() == before
        # Whoever need not wait is served.
        assert bob.get("/api/user/feed").status_code == 200
        assert refusal(activate(bob, publish(company, max_count=0))) == (403, "promo_inactive")
        assert not any(one.done() for one in waiting)
    assert [one.result(timeout=20).json for one in waiting] == [ACTIVATED] * PLACES

    assert activate(bob, promo).json == ACTIVATED
    assert used(company, promo) == PLACES + 1


def test_whose_verdict_is_remembered_needs_no_place(antifraud, alice, bob, promo, take_all_places):
    antifraud.replies_about[bob.email] = verdict(True, FAR)
    activate(bob, promo)
    with antifraud.holding(alice.email):
        waiting = take_all_places(alice, promo)

        assert activate(bob, promo).json == ACTIVATED
    assert [one.result(timeout=20).json for one in waiting] == [ACTIVATED] * PLACES


def test_places_are_free_again_after_failures(antifraud, alice, client, promo, in_background):
    users = [new_user(client) for _ in range(PLACES)]
    antifraud.reply = BROKEN
    for _ in range(2):
        with antifraud.holding() as held:
            waiting = [in_background(user, promo) for user in users]
            held.wait_for(PLACES)
        assert [refusal(one.result(timeout=20)) for one in waiting] == [REFUSED] * PLACES

    antifraud.reply = YES
    assert activate(alice, promo).json == ACTIVATED


@pytest.mark.parametrize("headers", [{}, KEY], ids=["without a key", "with an Idempotency-Key"])
def test_nothing_of_the_database_is_held_while_it_is_asked(
    headers, antifraud, alice, bob, promo, in_background, asking_app
):
    with antifraud.holding(alice.email) as held:
        waiting = in_background(alice, promo, headers=headers)
        held.wait_for(1)

        with asking_app.app_context():
            assert [engine.pool.checkedout() for engine in db.engines.values()] == [0, 0]
        if db.engine.dialect.name == "postgresql":
            open_transactions = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND state LIKE 'idle in transaction%'"
            )
            assert db.session.scalar(sa.text(open_transactions)) == 0
            locks = (
                "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert db.session.scalar(sa.text(locks)) == 0
        else:
            with sqlite3.connect(db.engine.url.database, timeout=0) as writer:
                writer.execute("BEGIN IMMEDIATE")
                writer.execute(
                    "UPDATE promos SET description = 'Written while somebody was waiting'"
                )
            writer.close()
        assert not waiting.done()
    assert waiting.result(timeout=20).json == ACTIVATED


@pytest.mark.parametrize(
    ("terms", "change", "name"),
    [
        ({}, {"max_count": 0}, "promo_inactive"),
        ({}, {"active_until": YESTERDAY}, "promo_inactive"),
        ({}, {"target": {"country": "fr"}}, "promo_not_targeted"),
        ({}, {"target": {"age_from": 31}}, "promo_not_targeted"),
        ({"mode": "UNIQUE"}, {"active_until": YESTERDAY}, "promo_inactive"),
        ({"mode": "UNIQUE"}, {"target": {"age_until": 29}}, "promo_not_targeted"),
    ],
)
def test_a_promo_that_was_closed_meanwhile_is_not_given_out(
    terms, change, name, antifraud, alice, company, in_background, books
):
    promo = publish(company, **terms)
    with antifraud.holding() as held:
        waiting = in_background(alice, promo)
        held.wait_for(1)
        assert company.patch(f"/api/business/promo/{promo}", json=change).status_code == 200
        before = books()

    assert refusal(waiting.result(timeout=20)) == (403, name)
    assert books() == before


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"description": "Another description"},
        {"max_count": 1},
        {"target": {"country": "DE", "age_from": 30}},
        {"active_from": TODAY, "active_until": TODAY},
    ],
)
def test_a_change_that_leaves_it_open_does_no_harm(
    change, antifraud, alice, company, in_background
):
    promo = publish(company)
    with antifraud.holding() as held:
        waiting = in_background(alice, promo)
        held.wait_for(1)
        assert company.patch(f"/api/business/promo/{promo}", json=change).status_code == 200

    assert waiting.result(timeout=20).json == ACTIVATED
    assert used(company, promo) == 1


@pytest.mark.parametrize(
    "terms",
    [{"max_count": 1}, {"mode": "UNIQUE", "promo_unique": ["only one"]}],
    ids=["COMMON", "UNIQUE"],
)
def test_what_somebody_else_took_meanwhile_is_gone(
    terms, antifraud, alice, bob, company, in_background, books
):
    promo = publish(company, **terms)
    with antifraud.holding(alice.email) as held:
        waiting = in_background(alice, promo)
        held.wait_for(1)
        assert activate(bob, promo).status_code == 200
        before = books()

    assert refusal(waiting.result(timeout=20)) == (403, "promo_inactive")
    assert books() == before


def test_the_next_value_is_given_when_somebody_else_took_one_meanwhile(
    antifraud, alice, bob, company, in_background
):
    promo = publish(company, mode="UNIQUE", promo_unique=["first", "second"])
    with antifraud.holding(alice.email) as held:
        waiting = in_background(alice, promo)
        held.wait_for(1)
        assert activate(bob, promo).json == {"promo": "first"}

    assert waiting.result(timeout=20).json == {"promo": "second"}


def test_what_was_taken_and_raised_meanwhile_is_given(
    antifraud, alice, bob, company, in_background
):
    promo = publish(company, max_count=1)
    with antifraud.holding(alice.email) as held:
        waiting = in_background(alice, promo)
        held.wait_for(1)
        assert activate(bob, promo).status_code == 200
        assert (
            company.patch(f"/api/business/promo/{promo}", json={"max_count": 2}).status_code == 200
        )

    assert waiting.result(timeout=20).json == ACTIVATED
    assert used(company, promo) == 2


def test_a_promo_whose_last_day_ended_meanwhile_is_not_given_out(
    antifraud, alice, company, in_background, later, books
):
    promo = publish(company, active_until=TODAY)
    with antifraud.holding() as held:
        waiting = in_background(alice, promo)
        held.wait_for(1)
        before = books()
        later(timedelta(days=1))

    assert refusal(waiting.result(timeout=20)) == (403, "promo_inactive")
    assert books() == before


def test_the_same_request_again_while_the_first_waits_is_told_to_come_back(
    antifraud, alice, company, promo, in_background
):
    with antifraud.holding() as held:
        first = in_background(alice, promo, headers=KEY)
        held.wait_for(1)
        again = activate(alice, promo, headers=KEY)
        assert refusal(again) == (409, "idempotency_key_in_use")
        assert int(again.headers["Retry-After"]) >= 1
    first = first.result(timeout=20)
    replayed = activate(alice, promo, headers=KEY)

    assert (first.json, "Idempotent-Replayed" in first.headers) == (ACTIVATED, False)
    assert (replayed.status_code, replayed.data, replayed.headers["Idempotent-Replayed"]) == (
        200,
        first.data,
        "true",
    )
    assert (used(company, promo), len(antifraud.questions)) == (1, 1)


@pytest.mark.parametrize("reply", [NO, BROKEN], ids=["a no", "a failure"])
def test_a_refusal_is_kept_for_the_key_and_not_asked_about_again(
    reply, antifraud, alice, company, promo
):
    antifraud.reply = reply
    first = activate(alice, promo, headers=KEY)
    asked = len(antifraud.questions)
    antifraud.reply = YES
    replayed = activate(alice, promo, headers=KEY)

    assert (refusal(first), refusal(replayed)) == (REFUSED, REFUSED)
    assert (replayed.data, replayed.headers["Idempotent-Replayed"]) == (first.data, "true")
    assert (used(company, promo), len(antifraud.questions)) == (0, asked)


def test_whoever_was_turned_away_may_come_back_with_the_same_key(
    antifraud, alice, bob, company, promo, take_all_places
):
    with antifraud.holding(alice.email):
        waiting = take_all_places(alice, promo)
        assert refusal(activate(bob, promo, headers=KEY)) == UNAVAILABLE
    assert [one.result(timeout=20).status_code for one in waiting] == [200] * PLACES

    answer = activate(bob, promo, headers=KEY)
    assert (answer.json, "Idempotent-Replayed" in answer.headers) == (ACTIVATED, False)
    assert used(company, promo) == PLACES + 1


def test_a_key_whose_lease_lapsed_meanwhile_gives_one_activation(
    antifraud, alice, company, promo, in_background, later
):
    """The first one was so slow that the second took the key over. What the second does counts."""
    with antifraud.holding() as held:
        first = in_background(alice, promo, headers=KEY)
        held.wait_for(1)
        lease = db.session.scalar(sa.select(IdempotencyKey.lease_id))
        later(timedelta(seconds=31))
        second = in_background(alice, promo, headers=KEY)
        wait_until(
            lambda: db.session.scalar(sa.select(IdempotencyKey.lease_id)) != lease,
            "the second takes the key over",
        )

    assert refusal(first.result(timeout=20)) == (409, "idempotency_key_in_use")
    assert second.result(timeout=20).json == ACTIVATED
    assert used(company, promo) == 1


def test_a_user_whose_token_ends_meanwhile_gets_what_was_asked_for(
    antifraud, alice, company, promo, in_background, client
):
    """Who asks is decided once, when the request comes in."""
    with antifraud.holding() as held:
        waiting = in_background(replace(alice), promo)
        held.wait_for(1)
        assert (
            client.post(
                "/api/user/auth/sign-in", json={"email": alice.email, "password": alice.password}
            ).status_code
            == 200
        )

    assert waiting.result(timeout=20).json == ACTIVATED
    assert refusal(activate(alice, promo)) == (401, "invalid_token")
