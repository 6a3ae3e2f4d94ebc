"""What a mail server refuses for good.

One recipient's mail is tried once more an hour later and then given up. Where everybody's is
refused it is not the recipients' fault: health says so, and no mail is lost.
"""

import pytest
from structlog.testing import capture_logs

from coupon_management_flask.health import service as health

from .conftest import ALICE, deliver_due, outages, stored, write

NO_SUCH_MAILBOX = "550 5.1.1 Unknown"
# What a server says that looks at the sender late, and Amazon SES.
NOT_VERIFIED = "554 Message rejected: Email address is not verified"


@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("RCPT", NO_SUCH_MAILBOX, "SMTPRecipientsRefused 550"),
        ("RCPT", "550 No such user here", "SMTPRecipientsRefused 550"),
        ("DATA", "554 5.7.1 Looks like spam", "SMTPDataError 554"),
        ("DATA", NOT_VERIFIED, "SMTPDataError 554"),
    ],
)
def test_a_recipient_refused_for_good_is_tried_once_more_an_hour_later_and_given_up(
    mailing, smtp, topic, passes, command, answer, reason
):
    mailing(smtp.port)
    message_id = write()
    smtp.answers[command] = answer
    assert deliver_due() == 0
    passes(minutes=59)
    assert deliver_due() == 0
    assert (stored(message_id)["attempts"], smtp.commands.count(command)) == (1, 1)

    passes(minutes=1)
    with capture_logs() as logs:
        assert deliver_due() == 0

    given_up = stored(message_id)
    assert given_up["given_up_at"] is not None
    assert (given_up["attempts"], given_up["last_error"]) == (2, reason)
    assert [log["event"] for log in logs] == ["outbox.failed", "outbox.given_up"]
    passes(days=2)
    assert deliver_due() == 0
    assert smtp.commands.count(command) == 2
    assert outages() == []


def test_a_refusal_after_other_failures_is_still_tried_once_more(mailing, smtp, topic, passes):
    mailing(smtp.port)
    message_id = write()
    smtp.answers["RCPT"] = "450 4.2.1 Greylisted"
    for _ in range(3):
        assert deliver_due() == 0
        passes(hours=1)
    smtp.answers["RCPT"] = NO_SUCH_MAILBOX
    assert deliver_due() == 0
    passes(hours=1)
    assert stored(message_id)["given_up_at"] is None
    smtp.answers.clear()

    assert deliver_due() == 1
    assert smtp.texts() == ["ABC23456"]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("MAIL", "554 5.7.1 Sender not verified"),
        ("RCPT", "550 5.7.1 <coupons@example.com>: Sender address rejected"),
        ("RCPT", "553 5.1.8 Sender's domain does not exist"),
        ("RCPT", "530 5.7.0 Authentication required"),
        ("DATA", NOT_VERIFIED),
    ],
)
def test_a_server_that_refuses_everybody_is_failing_and_loses_no_mail(
    mailing, smtp, topic, passes, command, answer
):
    mailing(smtp.port)
    names = ("alice", "bob", "carol")
    written = [write(text=name, to=f"{name}@example.com") for name in names]
    smtp.answers[command] = answer
    assert deliver_due() == 0
    assert health.look().mail == "failing"
    ((_, reason),) = outages()
    assert reason.startswith("SMTP")

    # Longer than a recipient's mail is tried for.
    for _ in range(6):
        passes(hours=1)
        assert deliver_due() == 0
        assert health.look().mail == "failing"
    assert [stored(message_id)["given_up_at"] for message_id in written] == [None] * 3

    smtp.answers.clear()
    passes(hours=1)
    assert deliver_due() == 3
    assert sorted(smtp.texts()) == sorted(names)
    assert (health.look().mail, outages()) == ("ok", [])


def test_one_recipient_refused_again_and_again_is_not_everybody(mailing, smtp, topic, passes):
    mailing(smtp.port)
    smtp.answers["DATA"] = NOT_VERIFIED
    for text in ("one", "two", "three"):
        write(text=text)

    assert deliver_due() == 0
    assert (health.look().mail, outages()) == ("ok", [])


def test_two_recipients_refused_are_not_everybody_where_another_mail_is_accepted_in_between(
    mailing, smtp, topic
):
    mailing(smtp.port)
    smtp.refused.update(dict.fromkeys((ALICE, "carol@example.com"), "550 No"))
    for name in ("alice", "bob", "carol"):
        write(to=f"{name}@example.com")

    assert deliver_due() == 1

    assert (health.look().mail, outages()) == ("ok", [])


def test_unknown_mailboxes_are_their_own_fault_however_many(mailing, smtp, topic):
    mailing(smtp.port)
    smtp.answers["RCPT"] = NO_SUCH_MAILBOX
    for name in ("alice", "bob", "carol"):
        write(to=f"{name}@example.com")

    assert deliver_due() == 0

    assert (health.look().mail, outages()) == ("ok", [])


def test_an_unknown_mailbox_does_not_end_the_outage_of_a_server_that_refuses_everybody(
    mailing, smtp, topic
):
    mailing(smtp.port)
    smtp.answers["DATA"] = NOT_VERIFIED
    for name in ("alice", "bob"):
        write(to=f"{name}@example.com")
    assert deliver_due() == 0
    smtp.refused["carol@example.com"] = NO_SUCH_MAILBOX
    write(to="carol@example.com")
    assert deliver_due() == 0

    assert health.look().mail == "failing"


@pytest.mark.parametrize(
    ("to", "reason"),
    [("zo\u00eb@example.com", "smtputf8_not_supported"), ("mallory", "not_writable")],
)
def test_a_mail_that_can_never_be_sent_is_not_tried_for_a_day(
    mailing, smtp, topic, passes, to, reason
):
    mailing(smtp.port)
    message_id = write(to=to)
    assert deliver_due() == 0
    passes(hours=1)
    assert deliver_due() == 0

    given_up = stored(message_id)
    assert given_up["given_up_at"] is not None
    assert (given_up["attempts"], given_up["last_error"]) == (2, reason)
