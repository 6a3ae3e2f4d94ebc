"""The mail that POST /api/auth/password-reset/ leads to, and the page behind its link."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from coupon_management_flask.auth import reset_mail
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import accounts, password_reset
from coupon_management_flask.messaging import loop, outbox
from coupon_management_flask.models import Account, OutboxMessage, PasswordReset

from ..support.people import PASSWORD, make_user
from ..support.smtp import running_smtp

NEW_PASSWORD = "new horse 1"
PAGE = "/reset-password"


@pytest.fixture(scope="module")
def smtp():
    with running_smtp() as server:
        yield server


@pytest.fixture
def mailing(configured_app, smtp):
    """Make an application that mails to that server, with Alice as a user."""
    smtp.received.clear()
    app = configured_app(
        email_backend="smtp",
        email_host="127.0.0.1",
        email_port=smtp.port,
        email_use_tls=False,
        public_url="https://coupons.example/shop/",
    )
    make_user(username="alice", email="Alice@example.com")
    return app.test_client()


@pytest.fixture
def client(mailing):
    return mailing


@pytest.fixture
def mailed(client, smtp):
    """Ask for a link for this address, and return the mails that go out."""

    def ask(email="alice@example.com"):
        assert client.post("/api/auth/password-reset/", json={"email": email}).status_code == 200
        return deliver()

    def deliver():
        smtp.received.clear()
        topics = {reset_mail.TOPIC: loop.current().topics[reset_mail.TOPIC]}
        assert outbox.deliver_due(topics) == 1
        return list(smtp.received)

    ask.again = deliver
    return ask


def token_in(mail):
    """Return the token of the link, which is in the text and in the HTML."""
    text, html = (mail.message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    (link,) = re.findall(r"https?://\S+", text)
    assert [unescape(found) for found in re.findall(r'href="([^"]+)"', html)] == [link]
    assert link.startswith("https://coupons.example/shop/reset-password?token=")
    (token,) = parse_qs(urlsplit(link).query)["token"]
    return token


def sign_in(client, password):
    return client.post(
        "/api/auth/login/", json={"email": "alice@example.com", "password": password}
    ).status_code


def test_a_link_is_mailed_to_the_address_on_file_and_its_token_sets_a_new_password(client, mailed):
    (mail,) = mailed("ALICE@EXAMPLE.com")

    assert mail.to == ["Alice@example.com"]
    assert mail.message["Subject"] == "Choose a new password"
    body = {"token": token_in(mail), "password": NEW_PASSWORD, "password_confirm": NEW_PASSWORD}
    assert client.post("/api/auth/password-reset-confirm/", json=body).status_code == 200
    assert [sign_in(client, password) for password in (PASSWORD, NEW_PASSWORD)] == [401, 200]


def test_a_link_is_asked_for_by_any_spelling_and_mailed_to_a_domain_in_ascii(client, mailed):
    make_user(email="Zoe@B\u00fccher.example")

    (mail,) = mailed("zoe@xn--bcher-kva.example")

    assert mail.to == ["Zoe@xn--bcher-kva.example"]


def test_nobody_is_mailed_where_there_is_no_such_user(client, mailed):
    make_user(username="bob")
    accounts.create_company(name="Shop", email="shop@example.com", password=PASSWORD)
    with transaction():
        db.session.execute(
            sa.update(Account).where(Account.username == "alice").values(is_active=False)
        )

    for email in ("nobody@example.com", "shop@example.com", "alice@example.com"):
        assert mailed(email) == []
    assert db.session.scalar(sa.select(sa.func.count()).select_from(PasswordReset)) == 0


def test_a_mail_that_is_sent_again_has_a_link_of_its_own_and_is_another_mail(client, mailed):
    (first,) = mailed()
    with transaction():
        # Its worker died before it could note that the server had taken it.
        db.session.execute(
            sa.update(OutboxMessage).values(delivered_at=None, due_at=OutboxMessage.created_at)
        )
    (second,) = mailed.again()

    assert second.message["Message-ID"] != first.message["Message-ID"]
    assert [password_reset.is_valid(token_in(mail)) for mail in (first, second)] == [False, True]


def test_the_token_is_kept_nowhere(client, mailed):
    token = token_in(mailed()[0])

    for table in (OutboxMessage.__table__, PasswordReset.__table__):
        assert token not in str(db.session.execute(sa.select(table)).all())
