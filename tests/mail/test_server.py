"""Speaking with a mail server: verified TLS, a login, time-outs, and what a failure says.

The sender waits long only where giving up would send a mail twice.
"""

import threading

import pytest
from structlog.testing import capture_logs

from coupon_management_flask.messaging import outbox
from coupon_management_flask.messaging.mail import sender
from coupon_management_flask.messaging.mail import smtp as smtp_sender

from ..support.ports import free_port
from ..support.smtp import LOGIN, certificate, running_smtp, silent_server
from .conftest import ALICE, deliver_due, new_mail, outages, stored, write

WITH_LOGIN = {"email_host_user": LOGIN[0], "email_host_password": LOGIN[1]}


@pytest.fixture
def trusting(monkeypatch, tmp_path):
    """Has certificates of this authority believed, as SSL_CERT_FILE does."""

    def trust(authority):
        file = tmp_path / "authority.pem"
        authority.cert_pem.write_to_path(str(file))
        monkeypatch.setenv("SSL_CERT_FILE", str(file))

    return trust


def reason():
    with pytest.raises(sender.MailFailed) as failure:
        sender.send(new_mail())
    return failure.value.reason


@pytest.mark.parametrize("from_the_start", [False, True], ids=["STARTTLS", "TLS_from_the_start"])
def test_a_server_that_asks_for_tls_and_a_login_gets_both(mailing, trusting, from_the_start):
    authority, tls = certificate("127.0.0.1")
    trusting(authority)
    with running_smtp(tls=tls, is_tls_from_the_start=from_the_start, asks_for_login=True) as smtp:
        app = mailing(smtp.port, email_use_tls=True, **WITH_LOGIN)
        # What port 465 means; a test can't listen there.
        app.extensions["mail"].use_ssl, app.extensions["mail"].use_tls = (
            from_the_start,
            not from_the_start,
        )
        sender.send(new_mail())

    (received,) = smtp.received
    assert (received.is_encrypted, received.login) == (True, LOGIN[0])
    assert smtp.logins == [LOGIN]


@pytest.mark.parametrize(
    ("port", "use_tls", "meant"),
    [(465, True, "start"), (465, False, "start"), (587, True, "STARTTLS"), (25, False, "none")],
)
def test_the_port_and_the_setting_say_which_tls(mailing, port, use_tls, meant):
    flask_mail = mailing(port, email_use_tls=use_tls).extensions["mail"]

    assert (flask_mail.use_ssl, flask_mail.use_tls) == {
        "start": (True, False),
        "STARTTLS": (False, True),
        "none": (False, False),
    }[meant]


def test_without_starttls_nothing_is_said_in_plain_words(mailing, smtp):
    mailing(smtp.port, email_use_tls=True, **WITH_LOGIN)

    assert reason() == "SMTPNotSupportedError"
    assert (smtp.commands, smtp.logins, smtp.received) == ([], [], [])
    assert outages() == [("mail", "SMTPNotSupportedError")]


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_certificate_that_proves_nothing_ends_it_before_the_login(mailing, trusting, wrong):
    authority, tls = certificate("127.0.0.1" if wrong == "authority" else "mail.example.com")
    if wrong == "name":
        trusting(authority)
    with running_smtp(tls=tls, asks_for_login=True) as smtp:
        mailing(smtp.port, email_use_tls=True, **WITH_LOGIN)
        assert reason() == "SSLCertVerificationError"

    assert (smtp.commands, smtp.logins, smtp.received) == ([], [], [])


def test_a_wrong_password_is_an_outage(mailing, trusting):
    authority, tls = certificate("127.0.0.1")
    trusting(authority)
    with running_smtp(tls=tls, asks_for_login=True) as smtp:
        mailing(
            smtp.port, email_use_tls=True, email_host_user=LOGIN[0], email_host_password="another"
        )
        assert reason() == "SMTPAuthenticationError 535"

    assert smtp.received == []
    assert outages() == [("mail", "SMTPAuthenticationError 535")]


@pytest.mark.parametrize(
    ("command", "answer", "reason", "is_outage"),
    [
        ("MAIL", "550 5.7.1 Not from there", "SMTPSenderRefused 550", True),
        ("MAIL", "421 4.3.2 Closing", "SMTPSenderRefused 421", True),
        ("RCPT", "550 5.1.1 alice@example.com is unknown", "SMTPRecipientsRefused 550", False),
        ("RCPT", "450 4.2.1 Greylisted", "SMTPRecipientsRefused 450", False),
        ("RCPT", "421 4.3.2 Closing", "SMTPRecipientsRefused 421", True),
        ("DATA", "554 5.7.1 alice@example.com: spam", "SMTPDataError 554", False),
        ("DATA", "452 4.3.1 Disk full", "SMTPDataError 452", True),
    ],
)
def test_a_refusal_is_told_without_the_address_and_is_an_outage_where_others_would_meet_it_too(
    mailing, smtp, topic, command, answer, reason, is_outage
):
    mailing(smtp.port)
    message_id = write()
    smtp.answers[command] = answer

    with capture_logs() as logs:
        assert deliver_due() == 0

    assert stored(message_id)["last_error"] == reason
    assert outages() == ([("mail", reason)] if is_outage else [])
    (failed,) = [log for log in logs if log["event"] == "outbox.failed"]
    assert failed["error"] == reason
    assert ALICE not in str(logs)
    assert "ABC23456" not in str(logs)
    assert smtp.received == []


def test_an_outage_is_noted_once_and_over_when_the_server_answers_again_be_it_with_a_refusal(
    mailing, smtp
):
    mailing(smtp.port)
    smtp.stop()
    assert reason() == "ConnectionRefusedError"
    before = outages()
    smtp.port, port = free_port(), smtp.port
    assert reason() == "ConnectionRefusedError"
    assert outages() == before == [("mail", "ConnectionRefusedError")]

    smtp.port = port
    smtp.start()
    sender.send(new_mail())
    assert outages() == []

    smtp.stop()
    reason()
    smtp.start()
    smtp.refused[ALICE] = "550 5.1.1 Unknown"
    assert reason() == "SMTPRecipientsRefused 550"
    assert outages() == []


def test_a_server_that_can_not_be_found_is_an_outage(mailing):
    mailing(25, email_host="nowhere.invalid")

    assert reason() == "gaierror"
    assert outages() == [("mail", "gaierror")]


def test_a_server_that_never_says_a_word_is_given_up_soon(mailing, monkeypatch):
    monkeypatch.setattr(smtp_sender, "STEP_SECONDS", 0.2)
    with silent_server() as port:
        mailing(port)
        assert reason() == "TimeoutError"

    assert outages() == [("mail", "TimeoutError")]


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_before_the_mails_end_a_server_that_stalls_is_given_up_soon(
    mailing, smtp, monkeypatch, command
):
    monkeypatch.setattr(smtp_sender, "STEP_SECONDS", 0.2)
    mailing(smtp.port)

    with smtp.stalling(command):
        assert reason() == "TimeoutError"

    assert smtp.received == []
    assert "DATA" not in smtp.commands


def test_after_the_mails_end_the_server_is_waited_for_so_that_nothing_is_sent_twice(
    mailing, smtp, monkeypatch
):
    monkeypatch.setattr(smtp_sender, "STEP_SECONDS", 0.2)
    mailing(smtp.port)
    smtp.stalls.add("DATA")
    # Longer than any step before would have been waited for.
    release = threading.Timer(0.6, smtp.stalls.discard, ["DATA"])
    release.start()

    sender.send(new_mail())

    release.join()
    assert (len(smtp.received), smtp.commands.count("DATA"), outages()) == (1, 1, [])


def test_the_wait_after_the_mails_end_has_an_end_too(mailing, smtp, monkeypatch):
    assert smtp_sender.ACCEPTANCE_SECONDS >= 600
    monkeypatch.setattr(smtp_sender, "ACCEPTANCE_SECONDS", 0.2)
    mailing(smtp.port)

    with smtp.stalling("DATA"):
        assert reason() == "TimeoutError"

    assert outages() == [("mail", "TimeoutError")]


@pytest.mark.parametrize("goodbye", ["500 What?", "421 Closing", "hangs up", "silence"])
def test_what_a_server_says_to_a_goodbye_makes_no_mail_fail(
    mailing, smtp, topic, monkeypatch, goodbye
):
    monkeypatch.setattr(smtp_sender, "GOODBYE_SECONDS", 0.2)
    mailing(smtp.port)
    write()
    if goodbye == "silence":
        smtp.stalls.add("QUIT")
    else:
        smtp.answers["QUIT"] = goodbye

    assert deliver_due() == 1

    smtp.wait_for("QUIT")
    assert (smtp.texts(), outages()) == (["ABC23456"], [])


def test_a_mail_is_not_sent_inside_a_transaction(mailing, smtp):
    mailing(smtp.port)

    with pytest.raises(RuntimeError), outbox.transaction():
        sender.send(new_mail())

    assert smtp.commands == []
