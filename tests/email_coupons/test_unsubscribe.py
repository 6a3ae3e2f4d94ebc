"""`/api/coupons/unsubscribe`: a page with one button, and what it does; codes stay."""

import re
from base64 import urlsafe_b64encode
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.email_coupons import unsubscribe
from coupon_management_flask.models import EmailCoupon, UnsubscribedAddress, new_id

from ..support.refusals import refusal

PATH = "/api/coupons/unsubscribe"


class _Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def named(self, *tags):
        return [attributes for tag, attributes in self.found if tag in tags]


@pytest.fixture
def link(ask, deliver):
    """Return the link of a mail to user@example.com, as its header has it."""
    assert ask().status_code == 201
    (sent,) = deliver()
    url = urlsplit(re.fullmatch(r"<(.+)>", sent.headers["List-Unsubscribe"])[1])
    assert url.path == PATH
    return f"{url.path}?{url.query}"


def unsubscribed():
    return list(db.session.scalars(sa.select(UnsubscribedAddress.email)))


def test_looking_at_it_shows_one_button_and_changes_nothing(client, link, email_books):
    before = email_books()

    answer = client.get(link)

    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    assert "user@example.com" in answer.text
    elements = _Elements(answer.text)
    assert elements.named("form") == [{"method": "post"}]
    assert len(elements.named("button", "input", "a")) == 1
    assert client.head(link).status_code == 200
    assert email_books() == before


def test_its_page_needs_nothing_that_the_browser_is_told_to_forbid(client, link):
    for answer in (client.get(link), client.post(link)):
        policy = answer.headers["Content-Security-Policy"]
        assert "form-action 'self'" in policy
        assert "style-src 'self' 'unsafe-inline'" in policy
        elements = _Elements(answer.text)
        assert elements.named("script", "img", "link", "iframe") == []
        assert [
            name
            for _, attributes in elements.found
            for name in attributes
            if name.startswith("on") or name in ("src", "href", "action")
        ] == []
        assert elements.named("html") == [{"lang": "en"}]
        assert len(elements.named("h1")) == len(elements.named("main")) == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", None),
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (b"{", "application/json"),
    ],
    ids=["button", "mail program", "anything"],
)
def test_the_button_and_the_mail_program_unsubscribe_as_often_as_they_like(
    client, ask, deliver, link, time, body, content_type
):
    for _ in range(2):
        answer = client.post(link, data=body, content_type=content_type)
        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        assert "user@example.com" in answer.text
        assert _Elements(answer.text).named("form", "button") == []
    assert unsubscribed() == ["user@example.com"]

    # It still gets its codes, and nobody writes to it, for this website or another.
    time.passes(hours=1)
    assert ask().status_code == 200
    assert ask("USER@example.com", "other.example").status_code == 201
    assert ask("other@example.com").status_code == 201
    assert [sent.to for sent in deliver()] == ["other@example.com"]


def test_who_unsubscribes_while_a_mail_waits_does_not_get_it(client, ask, deliver, link):
    ask(website="other.example")

    client.post(link)

    assert deliver() == []


def test_a_link_works_after_its_code_is_long_gone(client, ask, link, rows, time):
    rows(sa.text("DELETE FROM discount_coupons"))
    time.passes(days=4000)

    assert client.post(link).status_code == 200
    assert unsubscribed() == ["user@example.com"]


def test_what_a_tracker_adds_to_a_link_does_no_harm(client, link):
    assert client.post(f"{link}&utm_source=mail").status_code == 200


def test_without_a_token_of_ours_a_page_says_that_the_link_is_not_valid_and_nobody_is_unsubscribed(
    client, app, link
):
    (token,) = parse_qs(urlsplit(link).query)["token"]
    value, _, signature = token.rpartition(".")
    other = urlsafe_b64encode(new_id().bytes).rstrip(b"=").decode()
    tokens = [
        "",
        "x",
        ".",
        token[:-1],
        token + "x",
        f"{other}.{signature}",
        f"{value}.",
        f".{signature}",
        "ü",
        "%00",
        token.swapcase(),
        unsubscribe.token_of(new_id()),
    ]

    for method in ("GET", "POST"):
        for query in ("", *(f"?token={wrong}" for wrong in tokens)):
            answer = client.open(f"{PATH}{query}", method=method)
            assert (answer.status_code, answer.mimetype) == (400, "text/html"), query
            elements = _Elements(answer.text)
            assert "This link is not valid" in answer.text
            assert elements.named("form", "button", "a") == []
            assert "user@example.com" not in answer.text
    for method in ("PUT", "DELETE"):
        assert refusal(client.open(link, method=method), "email_coupons") == (
            405,
            "method_not_allowed",
        )
    assert unsubscribed() == []


def test_who_does_not_know_the_secret_key_makes_no_token(configured_app, client, ask):
    forger = configured_app(secret_key="what somebody else would guess the key to be")
    ask()
    email_coupon_id = db.session.scalar(sa.select(EmailCoupon.id))
    with forger.app_context():
        forged = unsubscribe.token_of(email_coupon_id)

    assert client.post(f"{PATH}?token={forged}").status_code == 400
    with client.application.app_context():
        assert (
            client.post(f"{PATH}?token={unsubscribe.token_of(email_coupon_id)}").status_code == 200
        )
