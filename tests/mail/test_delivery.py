"""From the outbox to the server, whatever becomes of the server and of workers.

Nothing is lost, and nothing is sent twice, except where a worker crashes at one certain moment.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace

import pytest

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.messaging import outbox
from coupon_management_flask.messaging.mail import sender
from coupon_management_flask.tasks import thread

from ..conftest import settings_for
from ..support.server import ROOT, STRONG_KEY, environment
from ..support.smtp import running_smtp
from ..support.waiting import wait_until
from .conftest import ALICE, deliver_due, outages, stored, write


def loops_run(app):
    """Runs the loops of a server's thread until the block ends."""
    stop, stack = threading.Event(), ExitStack()
    loops = thread.start(app, stop)

    def end():
        stop.set()
        for loop in loops:
            loop.join(timeout=20)
        assert not any(loop.is_alive() for loop in loops)

    stack.callback(end)
    return stack


@pytest.fixture
def worker(database_url, smtp):
    """Starts a worker of its own process; it is gone at the end."""
    started = []

    def start(**more):
        told = {
            "EMAIL_BACKEND": "smtp",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(smtp.port),
            "EMAIL_USE_TLS": "false",
            "PUBLIC_URL": "https://coupons.example.com",
            **more,
        }
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.mail.worker"],
                env=environment(database_url, **told),
                cwd=ROOT,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_server_that_was_down_gets_every_mail_once_when_it_is_up(mailing, smtp, topic, passes):
    mailing(smtp.port)
    smtp.stop()
    written = [write(text=str(number)) for number in range(3)]
    assert deliver_due() == 0
    assert [stored(message_id)["last_error"] for message_id in written] == [
        "ConnectionRefusedError"
    ] * 3

    smtp.start()
    assert deliver_due() == 0
    passes(seconds=5)
    assert deliver_due() == 3
    assert deliver_due() == 0

    assert smtp.texts() == ["0", "1", "2"]
    assert [received.message["Message-ID"] for received in smtp.received] == [
        f"<{message_id}@coupons.example.com>" for message_id in written
    ]


def test_a_recipient_who_is_refused_delays_nobody_else(mailing, smtp, topic, passes):
    mailing(smtp.port)
    smtp.refused[ALICE] = "550 5.1.1 Unknown"
    refused = write(text="refused")
    others = [write(text="other", to=f"bob{number}@example.com") for number in range(2)]

    assert deliver_due() == 2
    assert all(stored(message_id)["delivered_at"] for message_id in others)
    assert (
        stored(refused)["attempts"],
        stored(refused)["last_error"],
        stored(refused)["given_up_at"],
    ) == (1, "SMTPRecipientsRefused 550", None)

    smtp.refused.clear()
    passes(hours=1)
    assert deliver_due() == 1
    assert smtp.texts() == ["other", "other", "refused"]


def test_in_production_without_a_server_mails_wait_untouched_and_go_out_when_there_is_one(
    configured_app, database_url, smtp, topic, passes
):
    app = configured_app(app_env="production", secret_key=STRONG_KEY, email_backend="")
    message_id = write()
    before = stored(message_id)
    for _ in range(3):
        assert deliver_due() == 0
        passes(days=30)
    assert (stored(message_id), outages()) == (before, [])

    # The next start, with a server.
    server = {
        "email_backend": "",
        "email_host": "127.0.0.1",
        "email_port": smtp.port,
        "email_use_tls": False,
    }
    set_now = settings_for(database_url, app_env="production", secret_key=STRONG_KEY, **server)
    app.extensions["settings"] = set_now
    sender.init_app(app, set_now)
    assert deliver_due() == 1

    assert smtp.texts() == ["ABC23456"]
    assert stored(message_id)["attempts"] == 1


@pytest.mark.server
def test_a_slow_server_is_sent_one_mail_by_two_workers_that_live(mailing, smtp, topic, worker):
    app = mailing(smtp.port)
    message_id = write()

    with smtp.stalling("DATA"):
        worker(LEASE="1.5")
        smtp.wait_for("DATA")
        with loops_run(app):
            # We look again and again, past the end of the other's lease, and of its renewals.
            for _ in range(4):
                leased_until = stored(message_id)["due_at"]
                wait_until(
                    lambda leased_until=leased_until: stored(message_id)["due_at"] > leased_until,
                    "the lease is renewed",
                )
                assert deliver_due() == 0
            smtp.stalls.clear()
            wait_until(lambda: stored(message_id)["delivered_at"], "the mail is delivered")

    assert (smtp.texts(), smtp.commands.count("RCPT"), stored(message_id)["attempts"]) == (
        ["ABC23456"],
        1,
        1,
    )


@pytest.mark.server
def test_a_worker_that_is_killed_before_it_notes_the_yes_has_the_mail_sent_again_with_its_id(
    mailing, smtp, topic, worker, passes
):
    mailing(smtp.port)
    message_id = write()

    assert worker(DIE="accepted").wait(timeout=20) == -signal.SIGKILL

    assert smtp.texts() == ["ABC23456"]
    passes(seconds=25)
    assert deliver_due() == 0
    passes(seconds=5)
    assert deliver_due() == 1
    assert smtp.texts() == ["ABC23456"] * 2
    assert {received.message["Message-ID"] for received in smtp.received} == {
        f"<{message_id}@coupons.example.com>"
    }
    assert {received.message.get_body(("html",)).get_content() for received in smtp.received} == {
        "<p>ABC23456</p>\r\n"
    }


@pytest.mark.server
def test_a_worker_that_is_killed_before_the_mails_end_has_it_sent_once(
    mailing, smtp, topic, worker, passes
):
    mailing(smtp.port)
    message_id = write()
    with smtp.stalling("RCPT"):
        process = worker()
        smtp.wait_for("RCPT")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    assert stored(message_id)["lease_id"] is not None
    passes(seconds=30)
    assert deliver_due() == 1

    assert smtp.texts() == ["ABC23456"]


def test_no_connection_and_no_transaction_is_held_while_a_server_takes_its_time(
    mailing, smtp, topic
):
    app = mailing(smtp.port)
    message_id = write()

    with loops_run(app), smtp.stalling("RCPT"):
        smtp.wait_for("RCPT")
        db.session.remove()
        # The other loops look around once in a while; the one that waits would hold on to it.
        wait_until(
            lambda: [engine.pool.checkedout() for engine in db.engines.values()] == [0, 0],
            "nobody holds a connection",
        )
        # SQLite's only lock is free.
        write(text="another")
        smtp.stalls.clear()
        wait_until(lambda: len(smtp.received) == 2, "both mails are sent")

    assert stored(message_id)["attempts"] == 1


def test_while_a_server_hangs_the_api_answers_as_always(mailing, smtp):
    app = mailing(smtp.port)
    client = app.test_client()

    def ask(name):
        return client.post(
            "/api/coupons/", json={"email": f"{name}@example.com", "website": "shop.example.com"}
        )

    with loops_run(app), smtp.stalling("RCPT"):
        first = ask("alice")
        smtp.wait_for("RCPT")
        # Nobody has answered the worker yet, and nobody will before these are answered.
        second, again = ask("bob"), ask("alice")
        assert (smtp.received, smtp.commands.count("RCPT")) == ([], 1)
        assert [first.status_code, second.status_code, again.status_code] == [201, 201, 200]
        assert again.json == first.json
        smtp.stalls.clear()
        wait_until(lambda: len(smtp.received) == 2, "both mails are sent")

    for answer, received in zip((first, second), smtp.received, strict=True):
        assert received.to == [answer.json["email"]]
        assert all(
            answer.json["code"] in part.get_content() for part in received.message.iter_parts()
        )


def test_a_server_that_takes_its_time_holds_up_no_other_topic(mailing, smtp, topic, monkeypatch):
    app = mailing(smtp.port)
    others = []
    other = outbox.Topic(lambda message_id, _: others.append(message_id))
    background = app.extensions["background"]
    monkeypatch.setitem(
        app.extensions,
        "background",
        replace(background, topics={**background.topics, "other": other}),
    )
    write()

    with loops_run(app), smtp.stalling("RCPT"):
        smtp.wait_for("RCPT")
        with transaction():
            message_id = outbox.write("other", {})
        wait_until(lambda: others == [message_id], "the other topic is delivered")
        assert smtp.received == []
        smtp.stalls.clear()


def test_a_mail_goes_to_the_server_that_is_set_and_is_printed_where_none_is(
    mailing, smtp, topic, capsys
):
    mailing(smtp.port)
    write()
    assert deliver_due() == 1
    assert capsys.readouterr().out == ""

    with running_smtp() as unused:
        mailing(unused.port, email_backend="console")
        write()
        assert deliver_due() == 1
    assert "ABC23456" in capsys.readouterr().out
    assert unused.received == []
