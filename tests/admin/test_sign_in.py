"""/admin/sign-in: only administrators, with a session in the database and a cookie for /admin."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from itsdangerous import TimestampSigner

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import credentials
from coupon_management_flask.identity import sessions as tokens
from coupon_management_flask.models import Account, AdminChange, LoginSession
from coupon_management_flask.web.guard import access_token

from ..support.people import PASSWORD, make_user
from ..support.server import STRONG_KEY
from .conftest import SIGN_IN, Browser, told


def sessions() -> int:
    return db.session.scalar(
        sa.select(sa.func.count())
        .select_from(LoginSession)
        .where(LoginSession.issued_by == "admin", LoginSession.revoked_at.is_(None))
    )


def changed(account_id, **values) -> None:
    with transaction():
        db.session.execute(sa.update(Account).where(Account.id == account_id).values(**values))


def sign_ins() -> list[tuple]:
    rows = db.session.execute(
        sa.select(AdminChange.action, AdminChange.account_id, AdminChange.after).order_by(
            AdminChange.id
        )
    )
    return [(row.action, row.account_id, (row.after or {}).get("error")) for row in rows]


@pytest.mark.parametrize("login", ["boss", "BOSS@example.com"])
def test_an_administrator_signs_in_by_username_or_e_mail_and_is_where_they_wanted_to_go(
    browser, boss, login
):
    wanted = browser.get("/admin/accounts/", search="x").headers["Location"]
    assert wanted == "/admin/sign-in?next=/admin/accounts/?search%3Dx"

    answer = browser.send(wanted, login=login, password=PASSWORD)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/accounts/?search=x")
    assert browser.get("/admin/").status_code == 200
    assert sign_ins() == [("sign_in", boss, None)]
    (session,) = db.session.scalars(sa.select(LoginSession))
    assert (session.account_id, session.issued_by, session.refresh_id) == (boss, "admin", None)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example/admin/",
        "/admin\\evil",
        "/administrator",
        "/admin/\n",
        "javascript:alert(1)",
    ],
)
def test_after_signing_in_nobody_is_sent_anywhere_else(browser, boss, target):
    assert browser.sign_in("boss", next=target).headers["Location"] == "/admin/"


def test_whoever_is_not_signed_in_is_asked_to_on_every_page(app, browser):
    open_to_all = {"admin.sign_in", "admin-files.static"}
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/admin") and rule.endpoint not in open_to_all
    ]
    assert len(rules) > 100

    for rule in rules:
        path = rule.rule.replace("<export_type>", "csv")
        for method in rule.methods & {"GET", "POST"}:
            answer = browser.client.open(path, method=method)
            assert answer.status_code == 303, rule
            assert answer.headers["Location"].startswith(SIGN_IN), rule


def test_a_user_is_told_that_this_is_not_for_them_and_gets_no_session(browser):
    alice, _ = make_user(username="alice")

    answer = browser.sign_in("alice")

    assert (answer.status_code, told(answer)) == (403, "This account is not an administrator's.")
    assert browser.get("/admin/").status_code == 303
    assert sessions() == 0
    assert sign_ins() == [("sign_in_failed", alice, "not_an_administrator")]


def test_wrong_passwords_are_refused_and_logged_without_what_was_typed(browser, boss):
    for login in ("boss", "nobody", "my-password-by-mistake", "\x00", ""):
        answer = browser.sign_in(login, "wrong password")
        assert (answer.status_code, told(answer)) == (401, "Name and password do not match.")

    assert sessions() == 0
    assert sign_ins() == [
        ("sign_in_failed", who, "wrong_credentials") for who in (boss, None, None)
    ]
    assert "my-password" not in str(db.session.execute(sa.select(AdminChange.__table__)).all())


def test_a_disabled_administrator_is_told_so(browser, boss):
    changed(boss, is_active=False)

    answer = browser.sign_in("boss")

    assert (answer.status_code, told(answer)) == (403, "This account is disabled.")
    assert sign_ins() == [("sign_in_failed", boss, "account_disabled")]


def test_guesses_are_limited_as_everywhere(configured_app):
    app = configured_app(rate_limits_enabled=True)
    make_user(username="boss", role="administrator")
    browser = Browser(app.test_client())
    for _ in range(10):
        browser.sign_in("boss", "wrong password")

    answer = browser.sign_in("boss")

    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 600
    assert sessions() == 0
    assert len(sign_ins()) == 10


def test_sign_ins_from_one_address_are_limited(configured_app):
    browser = Browser(
        configured_app(rate_limits_enabled=True, rate_limit_logins="1 per hour").test_client()
    )
    browser.sign_in("nobody")

    answer = browser.sign_in("nobody")

    assert answer.status_code == 429
    assert "Retry-After" in answer.headers
    assert answer.mimetype == "text/html"


@pytest.mark.parametrize("token", [None, "", "x", "of somebody else"])
def test_a_sign_in_from_another_website_is_refused(app, browser, boss, token):
    if token == "of somebody else":
        token = Browser(app.test_client()).fields(SIGN_IN)["csrf_token"]

    answer = browser.sign_in("boss", csrf_token=token)

    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert sessions() == 0
    assert sign_ins() == []


def test_signing_in_leaves_nothing_of_what_the_browser_had_before(browser, boss):
    before = browser.fields(SIGN_IN)
    old_cookie = browser.cookie()
    browser.sign_in("boss")

    assert browser.cookie() != old_cookie
    assert browser.post("/admin/sign-out", csrf_token=before["csrf_token"]).status_code == 400
    assert sessions() == 1
    browser.client.set_cookie("admin_session", old_cookie, path="/admin")
    assert browser.get("/admin/").status_code == 303


def test_signing_in_again_ends_the_session_before(console):
    cookie = console.cookie()

    assert console.sign_in("boss").status_code == 303

    assert sessions() == 1
    console.client.set_cookie("admin_session", cookie, path="/admin")
    assert console.get("/admin/").status_code == 303


@pytest.mark.parametrize(
    ("environment", "secure"),
    [({}, False), ({"app_env": "production", "secret_key": STRONG_KEY}, True)],
    ids=["development", "production"],
)
def test_the_cookie_goes_to_admin_alone_and_no_script_or_website_has_it(
    configured_app, environment, secure
):
    app = configured_app(**environment)

    header = app.test_client().get(SIGN_IN).headers["Set-Cookie"]

    parts = {part.strip().lower() for part in header.split(";")[1:]}
    assert {"httponly", "path=/admin", "samesite=strict"} <= parts
    assert ("secure" in parts) is secure
    assert not any(part.startswith("domain") for part in parts)


def _revoke(boss):
    tokens.revoke_all(boss, issued_by="admin")


def _set_password(boss):
    credentials.replace_password("boss", "another horse 1")


def _disable(boss):
    changed(boss, is_active=False)


def _demote(boss):
    changed(boss, role="user")


@pytest.mark.parametrize("end", [_revoke, _set_password, _disable, _demote])
def test_a_session_ends_at_once_when_it_is_revoked_or_the_account_is_no_administrators_any_more(
    console, boss, end: Callable[..., None]
):
    assert console.get("/admin/").status_code == 200

    end(boss)

    assert console.get("/admin/").headers["Location"] == "/admin/sign-in?next=/admin/"


def test_after_half_an_hour_without_a_request_somebody_is_signed_out(app, console, monkeypatch):
    signer = app.session_interface.get_signing_serializer(app)
    content, now = signer.loads(console.cookie()), TimestampSigner.get_timestamp
    for minutes, status in ((29, 200), (31, 303)):
        with monkeypatch.context() as patched:
            patched.setattr(
                TimestampSigner, "get_timestamp", lambda self, ago=minutes * 60: now(self) - ago
            )
            cookie = signer.dumps(content)
        console.client.set_cookie("admin_session", cookie, path="/admin")
        assert console.get("/admin/").status_code == status


def test_a_cookie_of_a_server_whose_clock_is_a_little_ahead_is_accepted(app, console, monkeypatch):
    signer = app.session_interface.get_signing_serializer(app)
    content, now = signer.loads(console.cookie()), TimestampSigner.get_timestamp
    for seconds, status in ((8, 200), (60, 303)):
        with monkeypatch.context() as patched:
            patched.setattr(
                TimestampSigner, "get_timestamp", lambda self, ahead=seconds: now(self) + ahead
            )
            cookie = signer.dumps(content)
        console.client.set_cookie("admin_session", cookie, path="/admin")
        assert console.get("/admin/").status_code == status


def test_after_twelve_hours_the_password_is_asked_for_again(console, monkeypatch):
    later = clock.now() + timedelta(hours=12)
    monkeypatch.setattr(clock, "now", lambda: later)

    assert console.get("/admin/").status_code == 303


def test_the_cookie_is_no_token_and_a_token_no_cookie(app, console, admin):
    assert console.client.get("/v1/coupons").status_code == 401
    assert (
        console.client.get(
            "/v1/coupons", headers={"Authorization": f"Bearer {console.cookie()}"}
        ).status_code
        == 401
    )

    stranger = Browser(app.test_client())
    stranger.client.set_cookie("admin_session", admin.access_token, path="/admin")
    assert stranger.get("/admin/").status_code == 303
    assert (
        stranger.client.get(
            "/admin/", headers={"Authorization": f"Bearer {admin.access_token}"}
        ).status_code
        == 303
    )


def test_a_token_for_the_session_behind_the_cookie_can_only_be_made_with_the_key(
    app, console, boss
):
    (session,) = db.session.scalars(sa.select(LoginSession))
    token = access_token(tokens.Grant(boss, session.id, None), timedelta(hours=1))

    # Who has the key is trusted with either; nobody else has what it signs.
    assert (
        console.client.get("/v1/coupons", headers={"Authorization": f"Bearer {token}"}).status_code
        == 200
    )
    assert str(session.id) in console.get("/admin/sessions/").text


def test_signing_out_takes_a_form_of_ours_and_ends_the_session(console, boss):
    cookie = console.cookie()
    assert console.get("/admin/sign-out").status_code == 405
    assert console.post("/admin/sign-out").status_code == 400
    assert sessions() == 1

    answer = console.post("/admin/sign-out", csrf_token=console.fields("/admin/")["csrf_token"])

    assert (answer.status_code, answer.headers["Location"]) == (303, SIGN_IN)
    assert sessions() == 0
    assert sign_ins()[-1] == ("sign_out", boss, None)
    console.client.set_cookie("admin_session", cookie, path="/admin")
    assert console.get("/admin/").status_code == 303
