"""POST /api/auth/login/."""

import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import accounts
from coupon_management_flask.models import Account

from ..support.people import make_user
from .conftest import ALICE, PASSWORD, invalid, refused

LOGIN = "/api/auth/login/"
WRONG = "wrong horse 1"


def test_who_signs_in_gets_the_user_and_both_tokens(client, member):
    answer = client.post(LOGIN, json={"email": "ALICE@example.com", "password": PASSWORD})

    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (
        200,
        "application/json",
        "no-store",
    )
    body = answer.json
    assert body == {
        "user": member.user,
        "access": body["access"],
        "refresh": body["refresh"],
        "message": body["message"],
    }
    assert len({member.access, member.refresh, body["access"], body["refresh"]}) == 4
    assert (
        client.get("/api/auth/profile/", headers={"Authorization": f"Bearer {body['access']}"}).json
        == member.user
    )
    assert member.stands() == (True, True)


def test_who_registered_elsewhere_signs_in_too(app, sign_in):
    accounts.create_user(
        email="bob@example.com",
        username="bob",
        password=PASSWORD,
        name="Bob",
        credit=7,
        role="administrator",
    )
    accounts.create_user(username="carol", password=PASSWORD, name="Carol")

    user = sign_in("bob@example.com").user
    assert [
        user[name] for name in ("username", "full_name", "credit", "is_staff", "is_superuser")
    ] == ["bob", "Bob", 7, True, True]
    # An account without an e-mail address signs in with its username.
    assert [sign_in("carol").user[name] for name in ("username", "email")] == ["carol", None]


def test_a_wrong_pair_is_refused_the_same_whether_or_not_there_is_such_a_user(
    client, member, statements, stored
):
    before, sent = stored(), []

    for email in (ALICE["email"], "nobody@example.com"):
        statements.clear()
        refused(
            client.post(LOGIN, json={"email": email, "password": WRONG}), 401, "wrong_credentials"
        )
        sent.append(list(statements))
    for password in ("", PASSWORD.upper(), f"{PASSWORD} ", "x" * 5000):
        refused(
            client.post(LOGIN, json={"email": ALICE["email"], "password": password}),
            401,
            "wrong_credentials",
        )
    assert sent[0] == sent[1] != []
    assert stored() == before


def test_a_company_is_unknown_here(app, client):
    accounts.create_company(name="Shop", email="shop@example.com", password=PASSWORD)

    refused(
        client.post(LOGIN, json={"email": "shop@example.com", "password": PASSWORD}),
        401,
        "wrong_credentials",
    )


def test_a_disabled_account_is_told_so_with_its_password_alone(client, member, stored):
    with transaction():
        db.session.execute(sa.update(Account).values(is_active=False))
    before = stored()

    refused(
        client.post(LOGIN, json={"email": ALICE["email"], "password": PASSWORD}),
        403,
        "account_disabled",
    )
    refused(
        client.post(LOGIN, json={"email": ALICE["email"], "password": WRONG}),
        401,
        "wrong_credentials",
    )
    assert stored() == before


def test_a_field_that_is_missing_wrong_or_unknown_is_named(client, member, stored):
    before = stored()

    invalid(
        client.post(LOGIN, json={"password": 1, "remember": True}), "email", "password", "remember"
    )
    assert stored() == before


def test_wrong_passwords_count_together_with_those_of_other_contracts(configured_app):
    client = configured_app(rate_limits_enabled=True).test_client()
    make_user(username="alice", email=ALICE["email"])
    calls = [(LOGIN, {"email": ALICE["email"]}), ("/v1/auth/login", {"username": "alice"})]
    for path, body in calls * 5:
        assert client.post(path, json={**body, "password": WRONG}).status_code == 401

    answer = client.post(LOGIN, json={"email": ALICE["email"], "password": PASSWORD})

    refused(answer, 429, "rate_limited")
    assert 590 <= int(answer.headers["Retry-After"]) <= 600


def test_the_idempotency_key_is_ignored(client, member):
    answers = [
        client.post(
            LOGIN,
            json={"email": ALICE["email"], "password": PASSWORD},
            headers={"Idempotency-Key": "7f1c"},
        )
        for _ in range(2)
    ]

    assert ["Idempotent-Replayed" in answer.headers for answer in answers] == [False, False]
    assert answers[0].json["refresh"] != answers[1].json["refresh"]
