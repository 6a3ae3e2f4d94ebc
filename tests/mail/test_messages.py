"""What arrives is what was written: well-formed MIME, whatever the words and addresses.

Nothing else is in it.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from coupon_management_flask.messaging import outbox
from coupon_management_flask.messaging.mail import sender
from coupon_management_flask.models import new_id

from ..support.smtp import running_smtp
from .conftest import ALICE, new_mail, outages

UNSUBSCRIBE = f"<https://coupons.example.com/api/coupons/unsubscribe?token={'A1b2-c3_d4.' * 30}>"


def test_a_mail_arrives_as_text_and_html_with_its_headers(mailing, smtp):
    mailing(smtp.port, default_from_email='"Müller, Coupons" <coupons@example.com>')
    message_id = new_id()
    headers = {
        "List-Unsubscribe": UNSUBSCRIBE,
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    subject = "10 % für Sie bei bücher.example — " + "lang " * 40 + "ende"
    text, html = (
        "Grüße\n.\n..zwei\nFrom hier\n" + "ß" * 2000 + "\n",
        "<p>Grüße</p>\n<p>" + "x" * 2000 + "</p>\n",
    )

    sender.send(
        new_mail(subject=subject, text=text, html=html, message_id=message_id, headers=headers)
    )

    (received,) = smtp.received
    message = received.message
    assert (received.mail_from, received.to) == ("coupons@example.com", [ALICE])
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert {part.get_content_charset() for part in message.iter_parts()} == {"utf-8"}
    assert [part.get_content().replace("\r\n", "\n") for part in message.iter_parts()] == [
        text,
        html,
    ]
    assert {
        name: str(message[name])
        for name in ("Subject", "From", "To", "Message-ID", "Auto-Submitted", *headers)
    } == {
        "Subject": subject,
        "From": '"Müller, Coupons" <coupons@example.com>',
        "To": ALICE,
        "Message-ID": f"<{message_id}@coupons.example.com>",
        "Auto-Submitted": "auto-generated",
        **headers,
    }
    assert abs(parsedate_to_datetime(str(message["Date"])) - datetime.now(UTC)) < timedelta(
        minutes=1
    )
    assert not any(part.defects for part in message.walk())
    assert all(len(message.get_all(name)) == 1 for name in message)
    lines = received.content.split(b"\r\n")
    assert max(len(line) for line in lines) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert received.content.isascii()
    # As it is: no mail program looks for a URL in encoded words.
    assert f"List-Unsubscribe: {UNSUBSCRIBE}".encode() in lines


@pytest.mark.parametrize(
    "given",
    [
        {"subject": "Your code\r\nBcc: mallory@example.com"},
        {"subject": "Your code\n\nHello"},
        {"to": "alice@example.com\r\nBcc: mallory@example.com"},
        {"to": "alice@example.com, mallory@example.com"},
        {"to": "Alice <alice@example.com>"},
        {"to": "alice@example.com> SIZE=1"},
        {"to": "mallory"},
        {"headers": {"List-Unsubscribe": "<https://a.example>\r\nBcc: mallory@example.com"}},
    ],
    ids=[
        "subject",
        "subject_body",
        "to_header",
        "to_two",
        "to_name",
        "to_options",
        "to_no_address",
        "headers",
    ],
)
def test_what_could_be_read_as_more_than_it_is_is_not_sent(mailing, smtp, given):
    mailing(smtp.port)

    with pytest.raises(ValueError, match=r".") as refusal:
        sender.send(new_mail(**given))

    assert not isinstance(refusal.value, sender.MailFailed)
    assert isinstance(refusal.value, outbox.Refused)
    assert (smtp.commands, smtp.received, outages()) == ([], [], [])


def test_an_address_beyond_ascii_goes_to_servers_that_take_such_addresses_and_to_no_others(
    mailing, smtp
):
    mailing(smtp.port)
    with pytest.raises(sender.MailFailed) as failure:
        sender.send(new_mail(to="zoë@example.com"))
    assert failure.value.reason == "smtputf8_not_supported"
    assert isinstance(failure.value, sender.MailRefused)
    assert (smtp.received, outages()) == ([], [])

    with running_smtp(is_international=True) as other:
        mailing(other.port)
        sender.send(new_mail(to="zoë@example.com", subject="Für Zoë"))

    (received,) = other.received
    assert received.to == ["zoë@example.com"]
    assert "SMTPUTF8" in received.options
    assert (str(received.message["To"]), str(received.message["Subject"])) == (
        "zoë@example.com",
        "Für Zoë",
    )


@pytest.mark.parametrize(
    ("public_url", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1"),
        ("http://[::1]:8000/coupons", "[IPv6:::1]"),
        ("https://Coupons.Example:8443", "coupons.example"),
    ],
)
def test_a_message_id_ends_with_the_public_host(mailing, smtp, public_url, host):
    mailing(smtp.port, public_url=public_url)
    sent = new_mail()

    sender.send(sent)

    assert f"Message-ID: <{sent.message_id}@{host}>".encode() in smtp.received[0].content.split(
        b"\r\n"
    )
