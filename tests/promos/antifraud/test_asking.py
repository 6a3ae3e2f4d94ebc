"""When the antifraud service is asked, what, and what its answers and its silence mean."""

import socket
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from coupon_management_flask import config

from ...support.antifraud import BROKEN, NO, NO_ANSWER, YES, Reply, verdict
from ...support.promos import new_company, new_user, publish
from .answers import ACTIVATED, REFUSED, activate, refusal

YESTERDAY, TOMORROW = (
    (datetime.now(UTC) + timedelta(days=days)).date().isoformat() for days in (-1, 1)
)
FAR = "2999-01-01T00:00:00.000"


@pytest.fixture
def start_impatient_app(start_app):
    """Start an application that waits a fifth of a second for a connection and for an answer."""
    return partial(start_app, antifraud_connect_seconds=0.2, antifraud_answer_seconds=0.2)


def test_it_is_asked_about_the_users_address_and_the_promo(antifraud, alice, promo):
    answer = activate(alice, promo)

    assert (answer.status_code, answer.json) == (200, ACTIVATED)
    (question,) = antifraud.questions
    assert (question.method, question.path, question.content_type) == (
        "POST",
        "/api/validate",
        "application/json",
    )
    assert question.body == {"user_email": "alice@example.com", "promo_id": promo}


@pytest.mark.parametrize("address", ["{}", "{}/", "http://{}", "http://{}/", "HTTP://{}"])
def test_the_address_may_have_a_scheme_and_a_trailing_slash(address, antifraud, start_app):
    client = start_app(antifraud_address=address.format(antifraud.address)).test_client()

    assert activate(new_user(client), publish(new_company(client))).status_code == 200
    assert [question.path for question in antifraud.questions] == ["/api/validate"]


def test_the_address_may_have_a_path(antifraud, start_app):
    client = start_app(antifraud_address=f"http://{antifraud.address}/fraud/v2/").test_client()

    assert activate(new_user(client), publish(new_company(client))).status_code == 200
    assert [question.path for question in antifraud.questions] == ["/fraud/v2/api/validate"]


def test_a_no_is_a_refusal_that_takes_nothing(antifraud, alice, promo, books):
    antifraud.reply = NO
    before = books()

    assert refusal(activate(alice, promo)) == REFUSED
    assert books() == before
    # A no is an answer: it is not asked for again.
    assert len(antifraud.questions) == 1


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ({"active_from": TOMORROW}, "promo_inactive"),
        ({"active_until": YESTERDAY}, "promo_inactive"),
        ({"max_count": 0}, "promo_inactive"),
        ({"target": {"country": "fr"}}, "promo_not_targeted"),
        ({"target": {"age_from": 31}}, "promo_not_targeted"),
        ({"target": {"age_until": 29}}, "promo_not_targeted"),
    ],
)
def test_it_is_asked_only_when_the_promo_is_active_and_the_user_targeted(
    terms, name, antifraud, alice, company, books
):
    promo = publish(company, **terms)
    before = books()

    assert refusal(activate(alice, promo)) == (403, name)
    assert books() == before
    assert antifraud.questions == []


def test_it_is_not_asked_about_an_exhausted_promo(antifraud, alice, bob, company):
    promo = publish(company, mode="UNIQUE", promo_unique=["only one"])
    assert activate(bob, promo).json == {"promo": "only one"}

    assert refusal(activate(alice, promo)) == (403, "promo_inactive")
    assert antifraud.asked_about(alice.email) == 0


def test_it_is_not_asked_about_a_promo_that_does_not_exist(antifraud, alice):
    assert refusal(activate(alice, uuid4())) == (404, "promo_not_found")
    assert antifraud.questions == []


def test_it_is_not_asked_for_somebody_without_a_valid_token(antifraud, alice, company, promo):
    alice.token = company.token

    assert refusal(activate(alice, promo)) == (401, "invalid_token")
    assert antifraud.questions == []


@pytest.mark.parametrize("call", ["GET {}", "POST {}/like", "DELETE {}/like", "GET {}/comments"])
def test_looking_and_liking_need_no_question(call, antifraud, alice, promo):
    method, path = call.format(f"/api/user/promo/{promo}").split()
    antifraud.reply = NO

    assert alice.request(method, path).status_code == 200
    assert antifraud.questions == []


def test_whom_antifraud_refuses_may_still_look_like_and_comment(antifraud, alice, promo):
    antifraud.reply = NO
    assert refusal(activate(alice, promo)) == REFUSED

    assert alice.post(f"/api/user/promo/{promo}/like").status_code == 200
    assert (
        alice.post(
            f"/api/user/promo/{promo}/comments", json={"text": "I would have liked one."}
        ).status_code
        == 201
    )
    seen = alice.get(f"/api/user/promo/{promo}").json
    assert (seen["is_activated_by_user"], seen["like_count"], seen["comment_count"]) == (
        False,
        1,
        1,
    )


FAILURES = {
    "status 500": BROKEN,
    "status 503": Reply(503),
    "status 404": Reply(404),
    "status 400": Reply(400, b'{"ok": true}'),
    "status 201": Reply(201, b'{"ok": true}'),
    "status 204": Reply(204),
    "a verdict with status 500": verdict(True, FAR, status=500),
    "a closed connection": NO_ANSWER,
    "half a body": Reply(200, b'{"ok": true}', cut=True),
    "half a body with a false length": Reply(200, b'{"ok": tr', cut=True),
    "no body": Reply(200, b""),
    "broken JSON": Reply(200, b'{"ok": true'),
    "no UTF-8": Reply(200, b'{"ok": "\xff"}'),
    "too deep JSON": Reply(200, b"[" * 100_000),
    "an array": Reply(200, b'[{"ok": true}]'),
    "null": Reply(200, b"null"),
    "no verdict": Reply(200, b"{}"),
    "a null verdict": verdict(None, FAR),
    "a string for a verdict": verdict("true", FAR),
    "a number for a verdict": verdict(1, FAR),
    "a broken encoding": Reply(200, b'{"ok": true}', {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_what_is_no_answer_is_tried_once_more_and_then_refused_and_forgotten(
    failure, antifraud, alice, promo, books
):
    antifraud.next_replies(failure, failure, failure, YES)
    before = books()

    assert refusal(activate(alice, promo)) == REFUSED
    assert books() == before
    assert len(antifraud.questions) == 2
    assert activate(alice, promo).json == ACTIVATED
    assert len(antifraud.questions) == 4
    assert len({str(question) for question in antifraud.questions}) == 1


def test_the_second_answer_may_be_a_no(antifraud, alice, promo):
    antifraud.next_replies(BROKEN, NO)

    assert refusal(activate(alice, promo)) == REFUSED
    assert len(antifraud.questions) == 2


def test_a_verdict_of_the_second_try_is_remembered_like_any_other(antifraud, alice, promo):
    antifraud.next_replies(BROKEN, verdict(True, FAR))

    assert [activate(alice, promo).json for _ in range(2)] == [ACTIVATED, ACTIVATED]
    assert len(antifraud.questions) == 2


def test_a_redirect_is_not_followed(antifraud, alice, promo):
    antifraud.reply = Reply(307, headers={"Location": f"http://{antifraud.address}/elsewhere"})

    assert refusal(activate(alice, promo)) == REFUSED
    assert [question.path for question in antifraud.questions] == ["/api/validate"] * 2


def test_fields_that_nobody_knows_are_ignored(antifraud, alice, promo):
    antifraud.reply = Reply(200, b'{"ok": true, "score": 0.1, "cache_until": null, "reasons": []}')

    assert activate(alice, promo).json == ACTIVATED


def test_a_service_that_is_not_there_is_a_refusal_and_asked_when_it_is_back(
    antifraud, alice, promo, books
):
    antifraud.stop()
    before = books()

    assert refusal(activate(alice, promo)) == REFUSED
    assert books() == before
    antifraud.start()
    assert activate(alice, promo).json == ACTIVATED


def test_a_service_that_was_restarted_between_two_questions_is_reached(antifraud, alice, promo):
    assert activate(alice, promo).json == ACTIVATED
    antifraud.stop()
    antifraud.start()

    assert activate(alice, promo).json == ACTIVATED


def test_unless_told_otherwise_two_seconds_are_given_to_connect_and_five_to_answer(app):
    settings = config.current()
    assert (settings.antifraud_connect_seconds, settings.antifraud_answer_seconds) == (2, 5)


def test_a_service_that_is_silent_for_too_long_is_asked_once_more(
    start_impatient_app, antifraud, alice, promo, books
):
    alice.client = start_impatient_app().test_client()
    before = books()
    with antifraud.holding() as held:
        assert refusal(activate(alice, promo)) == REFUSED
        assert len(held.questions) == 2
        assert books() == before

    assert activate(alice, promo).json == ACTIVATED
    assert len(antifraud.questions) == 3


def test_a_service_that_answers_a_byte_at_a_time_is_too_late_too(
    start_impatient_app, antifraud, alice, promo, in_background
):
    alice.client = start_impatient_app().test_client()
    enough = threading.Event()

    def drip():
        while not enough.wait(0.05):
            yield b" "
        yield b'{"ok": true}'

    antifraud.next_replies(Reply(200, drip()), Reply(200, drip()))
    activation = in_background(alice, promo)
    try:
        # Twice a fifth of a second; a multiple of it for a slow machine.
        assert refusal(activation.result(timeout=4)) == REFUSED
    finally:
        enough.set()


def test_a_service_that_takes_no_connection_is_a_refusal(start_impatient_app, alice, promo, books):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        alice.client = start_impatient_app(
            antifraud_address=f"127.0.0.1:{full.getsockname()[1]}"
        ).test_client()
        before = books()

        assert refusal(activate(alice, promo)) == REFUSED
        assert books() == before
        for one in waiting:
            one.close()
