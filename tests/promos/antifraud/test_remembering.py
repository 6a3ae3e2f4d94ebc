"""What `cache_until` promises.

A verdict is remembered for the user until that moment, to the millisecond, and no longer.
"""

from datetime import UTC, datetime, timedelta

import pytest

from ...support.antifraud import BROKEN, NO, YES, Reply, verdict
from ...support.ports import free_port
from ...support.promos import new_company, new_user, publish
from ...support.redis import running_redis
from .answers import ACTIVATED, REFUSED, activate, refusal

# Within the life of a token.
SOON = (datetime.now(UTC) + timedelta(hours=6)).replace(microsecond=0)
MILLISECOND = timedelta(milliseconds=1)
MICROSECOND = timedelta(microseconds=1)


def written(moment, fraction=""):
    """Write a moment as the service does: in UTC, without a zone."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}"


UNTIL_SOON = written(SOON, ".000")


@pytest.fixture(scope="session", params=["database", "redis"])
def memory(request, redis_server):
    """The settings of an application that remembers there."""
    return {"redis_url": redis_server.url} if request.param == "redis" else {}


@pytest.fixture(scope="session")
def asking_app(start_asking_app, memory):
    return start_asking_app(**memory)


def outcome(answer):
    return answer.json["promo"] if answer.status_code == 200 else refusal(answer)


@pytest.mark.parametrize(("ok", "expected"), [(True, "tea-10"), (False, REFUSED)])
def test_a_verdict_is_remembered_for_the_user_whatever_the_promo(
    ok, expected, antifraud, alice, company, promo
):
    other_promo = publish(company, promo_common="tea-10")
    antifraud.next_replies(verdict(ok, UNTIL_SOON), verdict(not ok))

    assert [outcome(activate(alice, one)) for one in (promo, other_promo, promo)] == [expected] * 3
    assert len(antifraud.questions) == 1


def test_a_remembered_no_takes_nothing(antifraud, alice, promo, books):
    antifraud.next_replies(verdict(False, UNTIL_SOON))
    activate(alice, promo)
    before = books()

    assert refusal(activate(alice, promo)) == REFUSED
    assert books() == before


def test_a_verdict_is_no_other_users(antifraud, alice, bob, promo):
    antifraud.next_replies(verdict(False, UNTIL_SOON), verdict(True, UNTIL_SOON))

    assert refusal(activate(alice, promo)) == REFUSED
    assert activate(bob, promo).json == ACTIVATED
    assert refusal(activate(alice, promo)) == REFUSED
    assert [question.email for question in antifraud.questions] == [alice.email, bob.email]


def test_a_remembered_yes_does_not_open_what_is_closed(antifraud, alice, company, promo):
    antifraud.next_replies(verdict(True, UNTIL_SOON))
    activate(alice, promo)

    assert refusal(activate(alice, publish(company, target={"country": "fr"}))) == (
        403,
        "promo_not_targeted",
    )
    assert refusal(activate(alice, publish(company, max_count=0))) == (403, "promo_inactive")


@pytest.mark.parametrize(
    ("fraction", "milliseconds"),
    [
        ("", 0),
        (".5", 500),
        (".56", 560),
        (".567", 567),
        (".5670", 567),
        (".567999", 567),
        (".5679999999", 567),
        (".9999999", 999),
        (".0000001", 0),
        (".001", 1),
        ("." + "123456789" * 20, 123),
    ],
)
def test_it_holds_to_the_millisecond_and_is_never_rounded_up(
    fraction, milliseconds, antifraud, alice, promo, now_is
):
    until = SOON + milliseconds * MILLISECOND
    antifraud.next_replies(verdict(False, written(SOON, fraction)), YES)

    assert refusal(activate(alice, promo)) == REFUSED
    for before in (MILLISECOND, MICROSECOND):
        now_is(until - before)
        assert refusal(activate(alice, promo)) == REFUSED
    assert len(antifraud.questions) == 1
    now_is(until)
    assert activate(alice, promo).json == ACTIVATED
    assert len(antifraud.questions) == 2


def test_reading_it_does_not_extend_it(antifraud, alice, promo, now_is):
    antifraud.next_replies(verdict(True, UNTIL_SOON), NO)
    activate(alice, promo)

    for minutes in (50, 20, 10, 1):
        now_is(SOON - timedelta(minutes=minutes))
        assert activate(alice, promo).json == ACTIVATED
    now_is(SOON)
    assert refusal(activate(alice, promo)) == REFUSED
    assert len(antifraud.questions) == 2


def test_the_next_answer_is_remembered_in_its_place(antifraud, alice, promo, now_is):
    antifraud.next_replies(
        verdict(False, UNTIL_SOON), verdict(True, written(SOON + timedelta(minutes=1))), NO
    )

    assert refusal(activate(alice, promo)) == REFUSED
    now_is(SOON)
    assert activate(alice, promo).json == ACTIVATED
    now_is(SOON + timedelta(minutes=1) - MILLISECOND)
    assert activate(alice, promo).json == ACTIVATED
    now_is(SOON + timedelta(minutes=1))
    assert refusal(activate(alice, promo)) == REFUSED
    assert len(antifraud.questions) == 3


def test_an_answer_that_may_not_be_kept_leaves_nothing_of_the_one_before(
    antifraud, alice, promo, now_is
):
    antifraud.next_replies(verdict(False, UNTIL_SOON), BROKEN, BROKEN, YES, NO)
    activate(alice, promo)
    now_is(SOON)

    assert [outcome(activate(alice, promo)) for _ in range(3)] == [REFUSED, "tea-10", REFUSED]
    assert len(antifraud.questions) == 5


def test_the_farthest_moment_is_far_enough(antifraud, alice, promo):
    antifraud.next_replies(verdict(True, "9999-12-31T23:59:59.999999999"), NO)

    assert [outcome(activate(alice, promo)) for _ in range(2)] == ["tea-10"] * 2


NOTHING_TO_REMEMBER = {
    "absent": Reply(200, b'{"ok": true}'),
    "null": Reply(200, b'{"ok": true, "cache_until": null}'),
    "past": verdict(True, "2020-01-01T00:00:00.000"),
    "long past": verdict(True, "0001-01-01T00:00:00"),
    "now": verdict(True, written(datetime.now(UTC), ".000")),
    "a word": verdict(True, "tomorrow"),
    "no text": verdict(True, ""),
    "a number": verdict(True, 32503680000),
    "a truth": verdict(True, True),
    "a list": verdict(True, ["2999-01-01T00:00:00"]),
    "an object": verdict(True, {"at": "2999-01-01T00:00:00"}),
    "a day": verdict(True, "2999-01-01"),
    "no such month": verdict(True, "2999-13-01T00:00:00"),
    "no such day": verdict(True, "2999-02-29T00:00:00"),
    "no such hour": verdict(True, "2999-01-01T25:00:00"),
    "a dot without digits": verdict(True, "2999-01-01T00:00:00."),
    "something after it": verdict(True, "2999-01-01T00:00:00.000 o'clock"),
    "a line after it": verdict(True, "2999-01-01T00:00:00\n"),
    "year 10000": verdict(True, "10000-01-01T00:00:00"),
    "other digits": verdict(True, "２９９９-01-01T00:00:00"),  # noqa: RUF001 - that is the point
    "an impossible zone": verdict(True, "9999-12-31T23:59:59-12:00"),
}


@pytest.mark.parametrize("reply", NOTHING_TO_REMEMBER.values(), ids=NOTHING_TO_REMEMBER)
def test_without_a_moment_to_come_the_verdict_holds_this_once(reply, antifraud, alice, promo):
    antifraud.next_replies(reply, NO, YES)

    assert [outcome(activate(alice, promo)) for _ in range(3)] == ["tea-10", REFUSED, "tea-10"]
    assert len(antifraud.questions) == 3


@pytest.mark.parametrize(("ok", "expected"), [(True, "tea-10"), (False, REFUSED)])
def test_it_survives_a_restart_of_the_application(
    ok, expected, antifraud, alice, promo, start_app, memory, now_is
):
    antifraud.next_replies(verdict(ok, UNTIL_SOON), verdict(not ok))
    activate(alice, promo)

    alice.client = start_app(**memory).test_client()

    assert outcome(activate(alice, promo)) == expected
    now_is(SOON - MILLISECOND)
    assert outcome(activate(alice, promo)) == expected
    assert len(antifraud.questions) == 1
    now_is(SOON)
    assert outcome(activate(alice, promo)) != expected


def test_a_verdict_that_is_remembered_needs_no_service(antifraud, alice, promo):
    antifraud.next_replies(verdict(True, UNTIL_SOON))
    activate(alice, promo)
    antifraud.stop()

    assert activate(alice, promo).json == ACTIVATED


def test_a_redis_that_is_not_there_means_asking(antifraud, start_app):
    client = start_app(redis_url=f"redis://127.0.0.1:{free_port()}/0").test_client()
    alice, promo = new_user(client), publish(new_company(client))
    antifraud.next_replies(verdict(True, UNTIL_SOON), verdict(False, UNTIL_SOON), YES)

    assert [outcome(activate(alice, promo)) for _ in range(3)] == ["tea-10", REFUSED, "tea-10"]
    assert len(antifraud.questions) == 3


def test_a_redis_that_goes_away_means_asking_and_remembers_again_when_it_is_back(
    antifraud, start_app
):
    with running_redis() as server:
        if not server.command:
            pytest.skip("a Redis that TEST_REDIS_URL names is not ours to stop")
        client = start_app(redis_url=server.url).test_client()
        alice, promo = new_user(client), publish(new_company(client))
        antifraud.reply = verdict(True, UNTIL_SOON)
        assert [outcome(activate(alice, promo)) for _ in range(2)] == ["tea-10"] * 2
        assert len(antifraud.questions) == 1

        server.stop()
        assert [outcome(activate(alice, promo)) for _ in range(2)] == ["tea-10"] * 2
        assert len(antifraud.questions) == 3

        server.start()
        assert [outcome(activate(alice, promo)) for _ in range(2)] == ["tea-10"] * 2
        assert len(antifraud.questions) == 4
