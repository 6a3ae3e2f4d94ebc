"""The mail with a code: what it says, to whom it goes, and how often."""

import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.email_coupons import mailer
from coupon_management_flask.messaging import outbox
from coupon_management_flask.messaging.mail import sender
from coupon_management_flask.models import DiscountCoupon, EmailCoupon, OutboxMessage

from ..support.discounts import new_shop
from .conftest import PATH


class _Page(HTMLParser):
    """Collects the text of a page, and what it links to."""

    def __init__(self, page):
        super().__init__()
        self.text, self.links = "", []
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attributes):
        self.links += [
            value for name, value in attributes if name in ("href", "src", "action", "background")
        ]

    def handle_data(self, data):
        self.text += data


def coupon_path():
    return f"/api/v1/coupons/{db.session.scalar(sa.select(DiscountCoupon.id))}"


def unsubscribe_link(sent):
    return re.fullmatch(r"<(.+)>", sent.headers["List-Unsubscribe"])[1]


def test_it_says_code_percentage_website_and_expiry_in_html_and_in_text(ask, deliver, time):
    time.moment = datetime.fromisoformat("2025-10-08T13:45:07.5Z")
    code = ask().json["code"]

    (sent,) = deliver()

    assert sent.to == "user@example.com"
    assert sent.subject == "Your code for 10% off"
    assert sent.message_id == db.session.scalar(sa.select(OutboxMessage.id))
    link = unsubscribe_link(sent)
    assert sent.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    page = _Page(sent.html)
    for text in (sent.text, page.text):
        for said in ("10% off", code, "example[.]com", "7 November 2025, 13:45 UTC", "once"):
            assert said in text, said
    assert link in sent.text
    # Nothing is loaded from elsewhere and nobody else is linked to: a stranger has typed the
    # website, and it stands in our mail.
    assert page.links == [link]


def test_links_are_built_from_the_public_url_alone(configured_app, sent):
    app = configured_app(public_url="https://coupons.example/here/")
    answer = app.test_client().post(
        PATH,
        json={"email": "user@example.com", "website": "example.com"},
        headers={"Host": "evil.example"},
    )
    assert answer.status_code == 201
    outbox.deliver_due({mailer.TOPIC: outbox.Topic(mailer.deliver)})

    (mailed,) = sent
    link = unsubscribe_link(mailed)

    assert link.startswith("https://coupons.example/here/api/coupons/unsubscribe?token=")
    assert len(link) < 200
    # An address in a URL ends in logs.
    assert "user" not in urlsplit(link).query
    assert "evil" not in f"{mailed.html}{mailed.text}{mailed.headers}"


def test_it_is_sent_again_at_most_once_an_hour(ask, deliver, time):
    code = ask().json["code"]
    (first,) = deliver()

    assert (ask().status_code, deliver()) == (200, [])
    time.passes(minutes=59, seconds=59)
    assert (ask().status_code, deliver()) == (200, [])
    time.passes(seconds=1)
    assert [ask().status_code for _ in range(3)] == [200] * 3
    (again,) = deliver()
    assert (ask().status_code, deliver()) == (200, [])

    assert code in again.text
    # Another mail, not the same one once more.
    assert again.message_id != first.message_id


def test_the_hour_begins_when_it_was_sent_and_one_that_waits_is_not_written_twice(
    ask, sent, time, monkeypatch, capsys
):
    topics = {mailer.TOPIC: outbox.Topic(mailer.deliver)}

    def fail(_):
        raise ConnectionError

    with monkeypatch.context() as away:
        away.setattr(sender, "send", fail)
        ask()
        for _ in range(3):
            outbox.deliver_due(topics)
            time.passes(hours=2)
            assert ask().status_code == 200
    assert outbox.deliver_due(topics) == 1
    time.passes(minutes=59)
    ask()
    assert outbox.deliver_due(topics) == 0

    assert len(sent) == 1
    time.passes(minutes=1)
    ask()
    assert outbox.deliver_due(topics) == 1


@pytest.mark.parametrize("fate", ["given up", "purged"])
def test_after_a_mail_that_was_given_up_or_forgotten_another_may_be_asked_for(
    ask, deliver, time, rows, fate
):
    ask()
    rows(
        sa.update(OutboxMessage).values(given_up_at=time.moment)
        if fate == "given up"
        else sa.delete(OutboxMessage)
    )

    assert ask().status_code == 200
    assert len(deliver()) == 1


def test_a_code_that_follows_is_mailed_at_once(ask, deliver, time):
    ask()
    deliver()
    time.passes(days=30)

    code = ask().json["code"]

    (sent,) = deliver()
    assert code in sent.text


def test_no_mail_is_sent_of_a_code_that_is_gone_or_has_expired_meanwhile(
    ask, client, deliver, time
):
    ask()
    assert new_shop(client).delete(coupon_path()).status_code == 204
    assert deliver() == []

    ask()
    time.passes(days=30)
    assert deliver() == []
    # They are over and done with.
    assert set(db.session.scalars(sa.select(OutboxMessage.delivered_at))) == {
        time.moment,
        time.moment - timedelta(days=30),
    }


def test_what_the_shop_changes_is_what_is_mailed(ask, client, deliver):
    ask()
    assert (
        new_shop(client)
        .patch(
            coupon_path(),
            json={"type": "fixed", "discount": 5, "code": "WELCOME", "expiresAt": None},
        )
        .status_code
        == 200
    )

    (sent,) = deliver()

    assert sent.subject == "Your code for 5.00 USD off"
    for text in (sent.text, _Page(sent.html).text):
        assert "WELCOME" in text
        assert "None" not in text
        assert "UTC" not in text


def test_whatever_is_in_the_database_stays_text(ask, deliver, rows):
    ask()
    rows(sa.update(EmailCoupon).values(website='"><a href="https://evil.example">x</a>'))

    (sent,) = deliver()

    assert _Page(sent.html).links == [unsubscribe_link(sent)]
