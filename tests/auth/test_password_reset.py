"""POST /api/auth/password-reset/ and /api/auth/password-reset-confirm/."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import accounts, password_reset
from coupon_management_flask.models import Account, OutboxMessage, PasswordReset

from ..support.people import make_user
from .conftest import ALICE, PASSWORD, WEAK, invalid, refused

ASK = "/api/auth/password-reset/"
CONFIRM = "/api/auth/password-reset-confirm/"
NEW_PASSWORD = "new horse 1"


@pytest.fixture
def confirm(client):
    return lambda token, /, **given: client.post(
        CONFIRM,
        json={"token": token, "password": NEW_PASSWORD, "password_confirm": NEW_PASSWORD, **given},
    )


@pytest.fixture
def statuses(client):
    """Return the statuses of signing in with the old and with the new password."""
    return lambda: [
        client.post(
            "/api/auth/login/", json={"email": ALICE["email"], "password": each}
        ).status_code
        for each in (PASSWORD, NEW_PASSWORD)
    ]


def token_for(email=ALICE["email"]):
    return password_reset.open_link(email).token


def disable():
    with transaction():
        db.session.execute(sa.update(Account).values(is_active=False))


@pytest.mark.parametrize("disabled", [False, True])
def test_who_asks_can_not_tell_whether_there_is_an_account(client, member, statements, disabled):
    if disabled:
        disable()
    client.post(ASK, json={"email": "warm@example.com"})
    told, sent = [], []
    for email in (ALICE["email"], "nobody@example.com"):
        statements.clear()
        answer = client.post(ASK, json={"email": email})
        told.append((answer.status_code, answer.data))
        sent.append(list(statements))

    assert told[0] == told[1]
    assert told[0][0] == 200
    assert sent[0] == sent[1]
    # Nothing is written but the order for a mail.
    assert [statement.split()[:3] for statement in sent[0]] == [
        ["INSERT", "INTO", "outbox_messages"]
    ]
    payloads = db.session.scalars(sa.select(OutboxMessage.payload).order_by(OutboxMessage.id)).all()
    assert [payload["email"] for payload in payloads[1:]] == [ALICE["email"], "nobody@example.com"]


def test_a_wrong_body_is_refused_and_no_mail_is_asked_for(client, stored):
    before = stored()

    invalid(client.post(ASK, json={"email": "alice"}), "email")
    assert invalid(client.post(ASK, json={}), "email") == {"email": ["This field is required."]}
    invalid(client.post(ASK, json={"email": ALICE["email"], "username": "x"}), "username")
    assert stored() == before


def test_so_many_may_be_asked_for_by_one_address_and_for_one_email(configured_app):
    client = configured_app(
        rate_limits_enabled=True, rate_limit_password_resets="6 per hour"
    ).test_client()

    def ask(email, address):
        return client.post(ASK, json={"email": email}, environ_overrides={"REMOTE_ADDR": address})

    emails = ["alice@example.com", "ALICE@example.com", "alice@Example.com"]
    assert [ask(email, "203.0.113.7").status_code for email in emails] == [200, 200, 200]
    for address in ("203.0.113.7", "203.0.113.8"):
        answer = ask("alice@example.com", address)
        refused(answer, 429, "rate_limited")
        assert 3500 < int(answer.headers["Retry-After"]) <= 3600
    assert [ask("bob@example.com", "203.0.113.7").status_code for _ in range(2)] == [200, 200]
    refused(ask("carol@example.com", "203.0.113.7"), 429, "rate_limited")
    assert ask("carol@example.com", "203.0.113.8").status_code == 200
    assert db.session.scalar(sa.select(sa.func.count()).select_from(OutboxMessage)) == 6


def test_a_token_sets_a_new_password_and_ends_all_sessions(member, sign_in, confirm, statuses):
    other = sign_in()

    answer = confirm(token_for())

    assert (answer.status_code, list(answer.json)) == (200, ["message"])
    assert [somebody.stands() for somebody in (member, other)] == [(False, False)] * 2
    assert statuses() == [401, 200]


def test_nobody_elses_password_or_session_changes(register, confirm, sign_in):
    bob = register(email="bob@example.com")
    register()

    confirm(token_for())

    assert bob.stands() == (True, True)
    assert sign_in("bob@example.com").user == bob.user


def test_a_token_works_once(member, confirm, statuses):
    token = token_for()
    assert confirm(token).status_code == 200

    invalid(confirm(token, password="third horse 1", password_confirm="third horse 1"), "token")

    assert statuses() == [401, 200]


def test_a_token_works_for_an_hour(member, confirm, stored, monkeypatch):
    tokens = [token_for()]
    began = clock.now()

    monkeypatch.setattr(clock, "now", lambda: began + timedelta(minutes=60))
    before = stored()
    invalid(confirm(tokens[0]), "token")
    assert stored() == before
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(minutes=59, seconds=59))
    assert confirm(tokens[0]).status_code == 200


def test_a_later_token_ends_the_former_ones(member, confirm, statuses):
    former, latest = token_for(), token_for("ALICE@Example.com")

    invalid(confirm(former), "token")
    assert confirm(latest).status_code == 200
    assert statuses() == [401, 200]


def test_a_token_is_stored_as_a_digest_alone_and_that_opens_nothing(member, confirm):
    token = token_for()
    assert len(token) == 43

    (row,) = db.session.execute(sa.select(PasswordReset.__table__)).all()
    assert token not in map(str, row)
    invalid(confirm(row.digest), "token")
    invalid(confirm(str(row.account_id)), "token")


def test_a_disabled_account_can_not(member, confirm, stored):
    token = token_for()
    disable()
    before = stored()

    invalid(confirm(token), "token")
    assert stored() == before
    assert password_reset.open_link(ALICE["email"]) is None


def test_there_is_a_token_for_users_by_their_email_alone(app):
    make_user(username="alice")
    make_user(username="bob", email="bob@example.com")
    accounts.create_company(name="Shop", email="shop@example.com", password=PASSWORD)

    for login in ("alice", "bob", "shop@example.com", "nobody@example.com"):
        assert password_reset.open_link(login) is None
    assert password_reset.open_link("BOB@example.com").email == "bob@example.com"


def test_a_weak_password_or_a_wrong_body_spends_nothing(member, client, confirm, stored):
    token = token_for()
    before = stored()

    invalid(confirm(token, password=WEAK[1], password_confirm=WEAK[1]), "password")
    invalid(confirm(token, password_confirm="other horse 1"), "password_confirm")
    invalid(confirm(token, password=1), "password")
    invalid(confirm(token, email=ALICE["email"]), "email")
    for wrong in ("", "nonsense", token.swapcase(), f"{token}x", "x" * 5000, "ä"):
        invalid(confirm(wrong), "token")
    assert stored() == before
    assert confirm(token).status_code == 200
