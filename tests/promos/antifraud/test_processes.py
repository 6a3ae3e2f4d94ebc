"""Antifraud among processes.

Who shares an answer, what is left when a process dies, and what a real server can still do while it
waits. There are two servers with one worker each, instead of one with two, so that a test can say
which process it speaks to.
"""

from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
import requests

from coupon_management_flask import create_app
from coupon_management_flask.web import idempotency

from ...conftest import dispose_engines, settings_for
from ...support.antifraud import BROKEN, NO, YES, verdict
from ...support.promos import Caller, new_company, new_user, publish
from ...support.remote import RemoteClient
from ...support.server import assert_books_add_up, running_server
from .answers import ACTIVATED, PLACES, REFUSED, UNAVAILABLE, activate, refusal

pytestmark = pytest.mark.server

# Two tries, each of 2 seconds to connect and twice 5 to answer, and some.
ASKER_HAS_DIED = timedelta(seconds=26)
FAR = "2999-01-01T00:00:00.000"


@pytest.fixture(
    scope="module", params=["postgresql", pytest.param("sqlite", marks=pytest.mark.long)]
)
def two_clients(request, new_database, antifraud_service):
    """The clients of two servers on one database."""
    database_url = new_database(request.param)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                running_server(database_url, workers=1, ANTIFRAUD_ADDRESS=antifraud_service.address)
            )
            for _ in range(2)
        ]
        yield [RemoteClient(server) for server in servers]
        assert_books_add_up(database_url)


@pytest.fixture
def client(two_clients):
    return two_clients[0]


@pytest.fixture
def alice(client):
    return new_user(client, name="Alice")


@pytest.fixture
def bob(client):
    return new_user(client, name="Bob")


def at(client, user: Caller) -> Caller:
    """Return the same user, who speaks to that server."""
    return replace(user, client=client)


@pytest.mark.parametrize(
    ("reply", "successes"),
    [(YES, 2 * PLACES), (NO, 0), (BROKEN, 0)],
    ids=["yes", "no", "a failure"],
)
def test_two_processes_ask_once_and_share_the_answer(
    reply, successes, antifraud, alice, company, promo, two_clients, take_all_places
):
    antifraud.replies_about[alice.email] = reply
    with antifraud.holding(alice.email):
        waiting = [
            one for client in two_clients for one in take_all_places(at(client, alice), promo)
        ]
        assert antifraud.asked_about(alice.email) == 1
    answers = [one.result(timeout=30) for one in waiting]

    assert antifraud.asked_about(alice.email) == (2 if reply is BROKEN else 1)
    assert [answer.json for answer in answers if answer.status_code == 200] == [
        ACTIVATED
    ] * successes
    assert [refusal(answer) for answer in answers if answer.status_code != 200] == [REFUSED] * (
        2 * PLACES - successes
    )
    assert company.get(f"/api/business/promo/{promo}").json["used_count"] == successes

    # What was shared is over: somebody who comes later asks again.
    antifraud.replies_about[alice.email] = YES
    assert activate(at(two_clients[1], alice), promo).json == ACTIVATED


def test_what_one_process_was_told_the_other_remembers(antifraud, alice, promo, two_clients):
    antifraud.reply = verdict(False, FAR)
    assert refusal(activate(at(two_clients[0], alice), promo)) == REFUSED
    antifraud.reply = YES

    assert refusal(activate(at(two_clients[1], alice), promo)) == REFUSED
    assert len(antifraud.questions) == 1


def test_a_server_whose_places_are_taken_answers_everything_else(
    antifraud, alice, bob, company, promo, two_clients, take_all_places
):
    with antifraud.holding(alice.email):
        waiting = take_all_places(alice, promo)

        turned_away = activate(bob, promo)
        assert refusal(turned_away) == UNAVAILABLE
        assert int(turned_away.headers["Retry-After"]) >= 1
        assert company.get(f"/api/business/promo/{promo}").json["used_count"] == 0
        assert bob.post(f"/api/user/promo/{promo}/like").status_code == 200
        # The other process has places of its own.
        assert activate(at(two_clients[1], bob), promo).json == ACTIVATED
        assert not any(one.done() for one in waiting)
    assert [one.result(timeout=30).status_code for one in waiting] == [200] * PLACES


@pytest.fixture
def killed_while_asking(fresh_database_url, antifraud, in_background):
    """Alice, who activated with an Idempotency-Key at a server that was killed while it asked.

    She speaks to an application that is alive.
    """
    with running_server(fresh_database_url, ANTIFRAUD_ADDRESS=antifraud.address) as server:
        remote = RemoteClient(server)
        alice, promo = new_user(remote), publish(new_company(remote))
        with antifraud.holding() as held:
            asking = in_background(alice, promo, headers={"Idempotency-Key": "key-1"})
            held.wait_for(1)
            server.kill()
            with pytest.raises(requests.ConnectionError):
                asking.result(timeout=20)
    app = create_app(settings_for(fresh_database_url, antifraud_address=antifraud.address))
    yield at(app.test_client(), alice), promo
    with app.app_context():
        dispose_engines()
    assert_books_add_up(fresh_database_url)


def test_what_was_asked_by_a_process_that_died_is_asked_again_and_its_key_taken_over(
    killed_while_asking, antifraud, later
):
    alice, promo = killed_while_asking
    key = {"Idempotency-Key": "key-1"}
    assert refusal(activate(alice, promo, headers=key)) == (409, "idempotency_key_in_use")

    later(ASKER_HAS_DIED)
    assert activate(alice, promo).json == ACTIVATED
    assert len(antifraud.questions) == 2
    later(idempotency.LEASE)
    answers = [activate(alice, promo, headers=key) for _ in range(2)]
    assert [answer.json for answer in answers] == [ACTIVATED] * 2
    assert ["Idempotent-Replayed" in answer.headers for answer in answers] == [False, True]
    assert alice.get("/api/user/promo/history").headers["X-Total-Count"] == "2"


def test_who_waits_for_an_asker_that_died_is_refused_in_the_end(
    killed_while_asking, antifraud, take_all_places, later
):
    alice, promo = killed_while_asking
    waiting = take_all_places(alice, promo)
    assert len(antifraud.questions) == 1
    later(2 * ASKER_HAS_DIED)

    assert [refusal(one.result(timeout=20)) for one in waiting] == [REFUSED] * PLACES
    assert activate(alice, promo).json == ACTIVATED
