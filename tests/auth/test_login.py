"""POST /v1/auth/login."""

import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import accounts
from coupon_management_flask.models import Account, LoginSession

from ..support.envelope import invalid, ok, refused, user_of
from ..support.people import PASSWORD, make_coupon, make_user

LOGIN = "/v1/auth/login"
REFRESH = "/v1/auth/token/refresh"


def sessions():
    return db.session.scalar(sa.select(sa.func.count()).select_from(LoginSession))


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("role", ["user", "administrator"])
def test_who_signs_in_gets_the_user_and_both_tokens_in_a_bare_body(client, role):
    account_id, _ = make_user(username="alice", name="Alice", credit=100, role=role)

    answer = client.post(LOGIN, json={"username": "alice", "password": PASSWORD})

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    access_token, refresh_token = answer.json["access_token"], answer.json["refresh_token"]
    user = {"id": str(account_id), "username": "alice", "name": "Alice", "credit": 100}
    assert answer.json == {
        "user": user,
        "access_token": access_token,
        "refresh_token": refresh_token,
    }
    ok(client.get(f"/v1/user/{account_id}", headers=bearer(access_token)), {"user": user})
    assert client.get(REFRESH, headers=bearer(refresh_token)).status_code == 200


def test_the_credit_is_what_is_left(alice, client):
    alice.post(f"/v1/coupons/use/{make_coupon(value=30).hidden_code}")

    answer = client.post(LOGIN, json={"username": "alice", "password": PASSWORD})

    assert answer.json["user"] == user_of(alice, name="Alice", credit=70)


@pytest.mark.parametrize("login", ["carol", "CAROL", "carol@example.com", "Carol@Example.com"])
def test_the_username_may_be_the_email_and_is_compared_without_case(client, login):
    make_user(username="carol", email="carol@example.com")

    answer = client.post(LOGIN, json={"username": login, "password": PASSWORD})

    assert answer.status_code == 200
    assert answer.json["user"]["username"] == "carol"


def test_every_sign_in_is_a_session_of_its_own(alice, client):
    again = client.post(LOGIN, json={"username": "alice", "password": PASSWORD}).json

    assert (
        len(
            {alice.access_token, alice.refresh_token, again["access_token"], again["refresh_token"]}
        )
        == 4
    )
    assert sessions() == 2
    assert alice.get("/v1/coupons").status_code == 200


def test_an_access_token_lives_60_minutes_and_a_refresh_token_7_days(client, monkeypatch):
    make_user(username="alice")
    began = clock.now()
    tokens = client.post(LOGIN, json={"username": "alice", "password": PASSWORD}).json

    def after(**span):
        monkeypatch.setattr(clock, "now", lambda: began + timedelta(**span))

    def refresh():
        return client.get(REFRESH, headers=bearer(tokens["refresh_token"]))

    after(minutes=59)
    assert client.get("/v1/coupons", headers=bearer(tokens["access_token"])).status_code == 200
    after(minutes=60, seconds=2)
    refused(client.get("/v1/coupons", headers=bearer(tokens["access_token"])), 401, "invalid_token")
    after(days=7, seconds=2)
    refused(refresh(), 401, "invalid_token")
    after(days=6, hours=23)
    assert refresh().status_code == 200


@pytest.mark.parametrize("login", ["alice", "nobody", "", "alice@example.com", "x" * 5000])
@pytest.mark.parametrize(
    "password", ["wrong horse 1", "", PASSWORD.upper(), f"{PASSWORD} ", "x" * 5000]
)
def test_a_wrong_pair_is_refused_the_same_whether_or_not_there_is_such_a_user(
    client, books, login, password
):
    make_user(username="alice")
    before = books()

    answer = client.post(LOGIN, json={"username": login, "password": password})

    assert refused(answer, 401, "wrong_credentials") == "Wrong username or password."
    assert (books(), sessions()) == (before, 0)


@pytest.mark.parametrize("limited", [False, True], ids=["unlimited", "limited"])
def test_an_unknown_user_costs_the_same_statements_as_a_wrong_password(
    statements, configured_app, limited
):
    client = configured_app(rate_limits_enabled=limited).test_client()
    make_user(username="alice")

    def sent_for(username):
        statements.clear()
        refused(
            client.post(LOGIN, json={"username": username, "password": "wrong horse 1"}),
            401,
            "wrong_credentials",
        )
        return list(statements)

    assert sent_for("nobody") == sent_for("alice")


def test_an_unknown_user_costs_the_same_work_as_a_wrong_password(configured_app):
    client = configured_app(password_hash_memory_kib=8192, password_hash_rounds=4).test_client()
    make_user(username="alice")

    def work_for(username):
        """Return the CPU time of this thread, the least of five tries.

        Others may be busy meanwhile, and a disturbance only ever adds time.
        """
        spent = []
        for _ in range(5):
            began = time.thread_time()
            refused(
                client.post(LOGIN, json={"username": username, "password": "wrong horse 1"}),
                401,
                "wrong_credentials",
            )
            spent.append(time.thread_time() - began)
        return min(spent)

    wrong = work_for("alice")
    assert wrong * 0.6 < work_for("nobody") < wrong / 0.6


def test_a_disabled_account_is_told_so_with_its_password_alone(client, books):
    account_id, _ = make_user(username="alice")
    with transaction():
        db.session.execute(
            sa.update(Account).where(Account.id == account_id).values(is_active=False)
        )
    before = books()

    refused(
        client.post(LOGIN, json={"username": "alice", "password": PASSWORD}),
        403,
        "account_disabled",
    )
    refused(
        client.post(LOGIN, json={"username": "alice", "password": "wrong horse 1"}),
        401,
        "wrong_credentials",
    )
    assert (books(), sessions()) == (before, 0)


def test_a_company_is_unknown_here(client):
    accounts.create_company(name="Shop", email="shop@example.com", password=PASSWORD)

    refused(
        client.post(LOGIN, json={"username": "shop@example.com", "password": PASSWORD}),
        401,
        "wrong_credentials",
    )


def test_of_a_user_and_a_company_with_one_email_the_user_signs_in(client):
    accounts.create_company(name="Shop", email="carol@example.com", password="company horse 1")
    account_id, _ = make_user(username="carol", email="carol@example.com")

    answer = client.post(LOGIN, json={"username": "carol@example.com", "password": PASSWORD})

    assert answer.json["user"]["id"] == str(account_id)
    refused(
        client.post(LOGIN, json={"username": "carol@example.com", "password": "company horse 1"}),
        401,
        "wrong_credentials",
    )


def test_a_field_that_is_missing_wrong_or_unknown_is_refused(client):
    make_user(username="alice")

    answer = client.post(LOGIN, json={"password": 1, "remember": True})

    invalid(answer, "username", "password", "remember")
    assert sessions() == 0


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "malformed_request"),
        (b"{", "malformed_request"),
        (b"[]", "validation_error"),
        (b"null", "validation_error"),
    ],
)
def test_what_is_no_object_is_refused(client, body, name):
    refused(client.post(LOGIN, data=body), 400, name)


def test_a_body_is_json_whatever_its_content_type(client):
    make_user(username="alice")
    body = f'{{"username": "alice", "password": "{PASSWORD}"}}'

    for content_type in (None, "text/plain", "application/x-www-form-urlencoded"):
        assert client.post(LOGIN, data=body, content_type=content_type).status_code == 200


def test_a_token_that_comes_along_is_not_looked_at(client):
    make_user(username="alice")

    answer = client.post(
        LOGIN, json={"username": "alice", "password": PASSWORD}, headers=bearer("expired")
    )

    assert answer.status_code == 200


def test_sign_ins_and_refreshes_of_one_address_are_limited_together(configured_app):
    client = configured_app(
        rate_limits_enabled=True, rate_limit_logins="3 per minute"
    ).test_client()
    make_user(username="alice")

    def sign_in(address):
        return client.post(
            LOGIN,
            json={"username": "alice", "password": PASSWORD},
            environ_overrides={"REMOTE_ADDR": address},
        )

    token = sign_in("203.0.113.7").json["refresh_token"]
    assert (
        client.get(
            REFRESH, headers=bearer(token), environ_overrides={"REMOTE_ADDR": "203.0.113.7"}
        ).status_code
        == 200
    )
    assert sign_in("203.0.113.7").status_code == 200

    limited = sign_in("203.0.113.7")
    refused(limited, 429, "rate_limited")
    # The wait is rounded up to the next whole second.
    assert 1 <= int(limited.headers["Retry-After"]) <= 61
    assert sign_in("203.0.113.8").status_code == 200
