"""The built-in check of activations a minute, which is made where no service is configured.

`flask antifraud` is that check as a service.
"""

import shlex
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from coupon_management_flask.promos.antifraud.service import create_antifraud_app

from ...support.promos import new_company, new_user, publish
from ...support.remote import RemoteClient
from ...support.server import FLASK, assert_books_add_up, running_server
from .answers import ACTIVATED, REFUSED, activate, refusal

MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)
QUESTION = {"user_email": "alice@example.com", "promo_id": "01890a5d-ac96-774b-bcce-b302099a8057"}


@pytest.fixture(scope="session")
def asking_app(start_asking_app):
    """An application that asks nobody."""
    return start_asking_app(antifraud_address="")


def test_thirty_activations_a_minute_are_let_through(alice, bob, company, promo, books, antifraud):
    other_promo = publish(company, promo_common="tea-10", max_count=1000)
    assert [activate(alice, one).json for one in [promo, other_promo] * 15] == [ACTIVATED] * 30
    before = books()

    assert refusal(activate(alice, promo)) == REFUSED
    assert books() == before
    assert activate(bob, promo).json == ACTIVATED
    assert antifraud.questions == []


@pytest.mark.parametrize("most", [1, 3])
def test_how_many_a_minute_is_a_setting(most, start_app):
    client = start_app(antifraud_address="", antifraud_max_per_minute=most).test_client()
    alice, promo = new_user(client), publish(new_company(client))

    assert [activate(alice, promo).status_code for _ in range(most + 2)] == [200] * most + [403] * 2


def test_the_minute_slides_and_refusals_do_not_count(start_app, now_is):
    client = start_app(antifraud_address="", antifraud_max_per_minute=2).test_client()
    alice, promo = new_user(client), publish(new_company(client))
    start = datetime.now(UTC)

    def statuses(*seconds):
        found = []
        for second in seconds:
            now_is(start + timedelta(seconds=second))
            found.append(activate(alice, promo).status_code)
        return found

    assert statuses(0, 30, 40, 59.999) == [200, 200, 403, 403]
    assert statuses(60, 60.001, 89.999) == [200, 403, 403]
    assert statuses(90, 91, 119.999, 120) == [200, 403, 403, 200]


def test_activations_at_once_do_not_slip_through(start_app, in_background):
    client = start_app(antifraud_address="", antifraud_max_per_minute=3).test_client()
    alice, company = new_user(client), new_company(client)
    promos = [publish(company) for _ in range(12)]

    answers = [one.result(timeout=20) for one in [in_background(alice, promo) for promo in promos]]

    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [403] * 9


def test_the_stand_alone_check_counts_questions_by_user_in_a_sliding_minute(now_is):
    client = create_antifraud_app(max_per_minute=2).test_client()
    start = datetime.now(UTC)

    def ask(after, user="alice@example.com"):
        now_is(start + after)
        return client.post("/api/validate", json={**QUESTION, "user_email": user}).json

    assert [ask(after) for after in (0 * MINUTE, MINUTE / 2, MINUTE - MILLISECOND)] == [
        {"ok": True},
        {"ok": True},
        {"ok": False},
    ]
    assert ask(MINUTE - MILLISECOND, "bob@example.com") == {"ok": True}
    assert [ask(after) for after in (MINUTE, MINUTE, MINUTE * 1.5)] == [
        {"ok": True},
        {"ok": False},
        {"ok": True},
    ]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """`flask antifraud` with 2 a minute. It needs no database: this one has no tables."""
    arguments = ["sh", "-c", f'exec {shlex.join(FLASK)} antifraud --port "$PORT"']
    unused = f"sqlite:///{tmp_path_factory.mktemp('unused')}/empty.db"
    with running_server(unused, command=arguments, ANTIFRAUD_MAX_PER_MINUTE="2") as server:
        yield server


@pytest.mark.server
def test_the_command_answers_as_the_service_does(command):
    answers = [command.request("POST", "/api/validate", json=QUESTION) for _ in range(3)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, {"ok": True})
    ] * 2 + [(200, {"ok": False})]
    other = command.request(
        "POST", "/api/validate", json={**QUESTION, "user_email": "bob@example.com", "more": 1}
    )
    assert (other.status_code, other.json()) == (200, {"ok": True})


NO_QUESTIONS = [
    *(b"", b"{", b"null", b"[]", b'"text"', b"\xff", b"[" * 100_000, b"{}"),
    *(b'{"user_email": "alice@example.com"}', b'{"promo_id": "1"}'),
    *(
        b'{"user_email": 1, "promo_id": "1"}',
        b'{"user_email": null, "promo_id": "1"}',
        b'{"user_email": ["alice"], "promo_id": "1"}',
    ),
]


@pytest.mark.server
@pytest.mark.parametrize(
    "body", NO_QUESTIONS, ids=lambda body: body[:40].decode(errors="replace") or "none"
)
def test_the_command_refuses_what_is_no_question(body, command):
    answer = command.request(
        "POST", "/api/validate", data=body, headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "user_email and promo_id are needed"},
    )


@pytest.mark.server
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/validate", 405),
        ("POST", "/api/elsewhere", 404),
        ("GET", "/api/health/live", 200),
    ],
)
def test_the_command_has_one_path_and_tells_whether_it_lives(method, path, status, command):
    assert command.request(method, path).status_code == status


@pytest.mark.server
def test_the_command_counts_questions_that_come_at_once(command):
    together = Barrier(10)

    def ask(_):
        together.wait(timeout=20)
        return command.request(
            "POST", "/api/validate", json={**QUESTION, "user_email": "at-once@example.com"}
        ).json()["ok"]

    with ThreadPoolExecutor(10) as threads:
        assert sorted(threads.map(ask, range(10))) == [False] * 8 + [True] * 2


@pytest.mark.server
def test_an_application_asks_the_command_like_any_other_service(command, fresh_database_url):
    address = command.url.removeprefix("http://")
    with running_server(fresh_database_url, workers=1, ANTIFRAUD_ADDRESS=address) as server:
        client = RemoteClient(server)
        alice, promo = new_user(client), publish(new_company(client))

        assert [activate(alice, promo).status_code for _ in range(3)] == [200, 200, 403]
    assert_books_add_up(fresh_database_url)
