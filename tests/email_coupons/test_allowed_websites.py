"""COUPON_ALLOWED_WEBSITES: which websites codes are given for, and how mails name them."""

import pytest

from coupon_management_flask.email_coupons import mailer
from coupon_management_flask.messaging import outbox

from .conftest import PATH


@pytest.fixture
def client(configured_app):
    return configured_app(
        coupon_allowed_websites=["example.com", ".b\u00fccher.example"]
    ).test_client()


@pytest.mark.parametrize(
    "website",
    [
        "https://www.Example.com/x",
        "B\u00fccher.example",
        "shop.xn--bcher-kva.example",
        "a.b.b\u00fccher.example",
    ],
)
def test_a_code_is_given_for_the_websites_that_are_named(ask, website):
    assert ask(website=website).status_code == 201


@pytest.mark.parametrize(
    "website",
    ["evil.example", "shop.example.com", "notexample.com", "evilxn--bcher-kva.example", "com"],
)
def test_another_website_is_refused_and_nothing_is_written_or_counted(ask, email_books, website):
    before = email_books()

    for _ in range(2):
        answer = ask(website=website)
        assert (answer.status_code, answer.json["error_code"]) == (400, "validation_error")
        assert set(answer.json) == {"website", "error_code"}

    assert email_books() == before


def test_a_mail_names_a_website_that_is_ours(ask, deliver):
    ask(website="example.com")

    (sent,) = deliver()

    assert sent.subject == "Your code for 10% off at example.com"
    assert "example.com" in sent.text
    assert "example.com" in sent.html


def test_where_any_website_is_taken_a_mail_makes_no_link_of_one(configured_app, sent):
    client = configured_app().test_client()
    for website in ("evil.example", "127.0.0.1"):
        pair = {"email": "victim@example.com", "website": website}
        assert client.post(PATH, json=pair).status_code == 201

    outbox.deliver_due({mailer.TOPIC: outbox.Topic(mailer.deliver)})

    assert len(sent) == 2
    for mail in sent:
        assert mail.subject == "Your code for 10% off"
        for text in (mail.text, mail.html):
            assert "evil.example" not in text
            assert "127.0.0.1" not in text.replace("http://127.0.0.1:8000/api/", "")
    assert "evil[.]example" in f"{sent[0].text}{sent[1].text}"


def test_a_mail_names_a_website_in_its_own_letters_and_links_stay_ascii(ask, deliver):
    assert ask(website="shop.xn--bcher-kva.example").json["website"] == (
        "shop.xn--bcher-kva.example"
    )

    (sent,) = deliver()

    assert sent.subject == "Your code for 10% off at shop.b\u00fccher.example"
    for text in (sent.text, sent.html):
        assert "shop.b\u00fccher.example" in text
        assert "xn--" not in text
    assert sent.headers["List-Unsubscribe"].isascii()


def test_a_website_that_could_be_taken_for_another_is_named_in_ascii(configured_app, sent):
    client = configured_app(coupon_allowed_websites=["xn--80ak6aa92e.example"]).test_client()
    # All of them Cyrillic letters.
    pair = {"email": "one@example.com", "website": "\u0430\u0440\u0440\u04cf\u0435.example"}
    assert client.post(PATH, json=pair).json["website"] == "xn--80ak6aa92e.example"

    outbox.deliver_due({mailer.TOPIC: outbox.Topic(mailer.deliver)})

    (mail,) = sent
    assert mail.subject == "Your code for 10% off at xn--80ak6aa92e.example"
    assert "xn--80ak6aa92e.example" in mail.text


def test_where_any_website_is_taken_its_own_letters_make_no_link_either(configured_app, sent):
    client = configured_app().test_client()
    pair = {"email": "one@example.com", "website": "b\u00fccher.example"}
    assert client.post(PATH, json=pair).status_code == 201

    outbox.deliver_due({mailer.TOPIC: outbox.Topic(mailer.deliver)})

    (mail,) = sent
    assert mail.subject == "Your code for 10% off"
    for text in (mail.text, mail.html):
        assert "b\u00fccher[.]example" in text
        assert "b\u00fccher.example" not in text
