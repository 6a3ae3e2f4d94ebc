"""`/dev/mailbox`: what development would have mailed. In production there is none."""

import os
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from re import findall, search

import pytest
from structlog.testing import capture_logs

from coupon_management_flask.messaging.mail import mailbox, sender

from ..support.refusals import refusal
from ..support.server import STRONG_KEY
from .conftest import deliver_due, new_mail, outages, stored, write


@pytest.fixture
def developing(configured_app, tmp_path):
    """An application of a developer who has no mail server, with a mailbox of its own."""
    app = configured_app(email_backend="")
    app.instance_path = str(tmp_path / "instance")
    return app


@pytest.fixture
def page(developing):
    def page(path="/dev/mailbox"):
        answer = developing.test_client().get(path)
        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        return answer.text

    return page


def links(page):
    return findall(r'href="(/dev/mailbox/[^"]+)"', page)


def test_a_mail_is_in_the_mailbox_and_on_the_terminal_and_not_in_the_log(
    developing, page, topic, capfd
):
    assert "There is none yet." in page()
    message_id = write("ABC23456")
    capfd.readouterr()

    with capture_logs() as logs:
        assert deliver_due() == 1

    assert stored(message_id)["delivered_at"] is not None
    printed, logged = capfd.readouterr()
    assert "alice@example.com" in printed
    assert "ABC23456" in printed
    assert "ABC23456" not in logged + str(logs)
    (link,) = links(page())
    assert "ABC23456" in page()
    shown = page(link)
    for words in (
        "Your code",
        "alice@example.com",
        "ABC23456",
        f"&lt;{message_id}@127.0.0.1&gt;",
        "multipart/alternative",
    ):
        assert words in shown
    assert outages() == []


def test_mails_are_listed_newest_first_and_the_last_200_are_kept(developing, page, monkeypatch):
    assert mailbox.KEEPS == 200
    monkeypatch.setattr(mailbox, "KEEPS", 3)
    for number in range(5):
        sender.send(new_mail(subject=f"Mail {number}"))

    assert findall(r"Mail \d", page()) == ["Mail 4", "Mail 3", "Mail 2"]
    assert len(os.listdir(Path(developing.instance_path) / "mailbox" / "new")) == 3


def test_a_mails_html_is_shown_where_it_can_do_nothing(developing, page):
    html = """<p id=q title='"'>1 &lt; 2</p></iframe><script>alert(1)</script>"""
    sender.send(
        new_mail(subject="<script>alert(2)</script>", text="<script>alert(3)</script>", html=html)
    )

    (link,) = links(page())
    shown = page(link)

    assert "<script" not in page() + shown
    frame = search(r"<iframe [^>]*>", shown)[0]
    sandbox = search(r'sandbox="([^"]*)"', frame)[1].split()
    assert set(sandbox) == {"allow-popups", "allow-popups-to-escape-sandbox"}
    assert (
        unescape(search(r'srcdoc="([^"]*)"', frame)[1]).replace("\r\n", "\n")
        == f'<base target="_blank">{html}\n'
    )


def test_pages_of_the_mailbox_run_no_script_and_load_nothing(developing, page):
    sender.send(new_mail())

    for path in ("/dev/mailbox", *links(page())):
        assert (
            "default-src 'none'"
            in developing.test_client().get(path).headers["Content-Security-Policy"]
        )
        assert findall(r"<(?:script|link|img)|\bon\w+=|url\(|@import", page(path)) == []


@pytest.mark.parametrize(
    "key", ["nothing", "..", "%2e%2e%2fsecret", "..%2f..%2fcoupons.db", ".hidden"]
)
def test_only_mails_of_the_mailbox_are_shown(developing, key):
    sender.send(new_mail())
    (Path(developing.instance_path) / "secret").write_text("secret")

    assert refusal(developing.test_client().get(f"/dev/mailbox/{key}"), "promos") == (
        404,
        "not_found",
    )


@pytest.mark.parametrize("path", ["/dev/mailbox", "/dev/mailbox/", "/dev/mailbox/1.M1P1Q1.host"])
def test_in_production_there_is_no_mailbox(configured_app, path):
    client = configured_app(app_env="production", secret_key=STRONG_KEY).test_client()

    assert refusal(client.get(path), "promos") == (404, "not_found")


def test_many_who_keep_mails_at_once_lose_none(developing, page):
    def send(number):
        with developing.app_context():
            sender.send(new_mail(subject=f"Mail {number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(20)))

    assert sorted(findall(r"Mail \d+", page())) == sorted(f"Mail {number}" for number in range(20))


def test_in_development_with_a_server_the_mailbox_stays_empty(mailing, smtp, tmp_path):
    app = mailing(smtp.port)
    app.instance_path = str(tmp_path)

    sender.send(new_mail())

    assert "There is none yet." in app.test_client().get("/dev/mailbox").text
    assert len(smtp.received) == 1
