"""POST /api/user/auth/sign-in."""

import jwt
import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import Account

from ...support.people import PASSWORD as CREDIT_PASSWORD
from ...support.people import make_user
from ...support.promos import PASSWORD, new_company
from .shapes import NO_TEXT, Absent, bearer, refusal, replaced

PATH = "/api/user/auth/sign-in"
BODY = {"email": "alice@example.com", "password": PASSWORD}


def profile_status(client, token):
    return client.get("/api/user/profile", headers=bearer(token)).status_code


def log_in_elsewhere(client):
    return client.post(
        "/v1/auth/login", json={"username": "alice@example.com", "password": PASSWORD}
    )


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@Example.com"])
def test_the_right_pair_gives_a_token(email, alice, client):
    answer = client.post(PATH, json={"email": email, "password": PASSWORD})

    assert (answer.status_code, answer.json.keys()) == (200, {"token"})
    assert answer.headers["Cache-Control"] == "no-store"
    claims = jwt.decode(answer.json["token"], options={"verify_signature": False})
    assert (len(answer.json["token"]) <= 300, claims["exp"] - claims["iat"]) == (True, 24 * 60 * 60)
    assert (
        client.get("/api/user/profile", headers=bearer(answer.json["token"])).json["email"]
        == "alice@example.com"
    )


def test_the_tokens_that_this_contract_gave_before_are_dead(alice, client):
    first = client.post(PATH, json=BODY).json["token"]
    second = client.post(PATH, json=BODY).json["token"]

    assert [profile_status(client, token) for token in (alice.token, first, second)] == [
        401,
        401,
        200,
    ]


def test_sessions_of_other_contracts_stay(alice, client):
    elsewhere = log_in_elsewhere(client).json

    client.post(PATH, json=BODY)

    assert profile_status(client, elsewhere["access_token"]) == 200
    assert (
        client.post(
            "/v1/auth/token/refresh", headers=bearer(elsewhere["refresh_token"])
        ).status_code
        == 200
    )


def test_a_log_in_at_another_contract_ends_nothing_here(alice, client):
    assert log_in_elsewhere(client).status_code == 200

    assert alice.get("/api/user/profile").status_code == 200


def test_sessions_of_others_stay(alice, bob, client):
    client.post(PATH, json=BODY)

    assert bob.get("/api/user/profile").status_code == 200


def test_the_company_of_that_address_stays_signed_in(alice, client):
    company = new_company(client, email="alice@example.com")

    client.post(PATH, json=BODY)

    assert company.get("/api/business/promo").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"email": "alice@example.com", "password": "Wrong1horse!"},
        {"email": "alice@example.com", "password": PASSWORD.lower()},
        {"email": "alice@example.com", "password": f"{PASSWORD} "},
        {"email": "nobody@example.com", "password": PASSWORD},
        # Lengths and rules are checked when they are set.
        {"email": "alice", "password": "short"},
        {"email": "", "password": ""},
        {"email": "alice@example.com", "password": "x" * 5000},
    ],
)
def test_a_wrong_pair_is_refused_and_ends_nothing(body, alice, client, books):
    before = books()

    answer = client.post(PATH, json=body)

    assert answer.status_code == 401
    assert answer.json == {
        "status": "error",
        "message": "Wrong e-mail address or password.",
        "error_code": "wrong_credentials",
    }
    assert books() == before
    assert alice.get("/api/user/profile").status_code == 200


def test_a_company_does_not_sign_in_as_a_user(client, books):
    new_company(client, email="alice@example.com")
    before = books()

    assert refusal(client.post(PATH, json=BODY)) == (401, "wrong_credentials")
    assert books() == before


@pytest.mark.parametrize("field", ["email", "password"])
def test_a_field_that_is_missing_or_no_text_is_refused(field, alice, client, books):
    before = books()

    for value in (Absent, *NO_TEXT):
        assert refusal(client.post(PATH, json=replaced(BODY, field, value))) == (
            400,
            "validation_error",
        ), value
    assert books() == before


def test_a_user_of_another_contract_signs_in_here(app, client):
    make_user(username="alice", email="alice@example.com")

    answer = client.post(PATH, json={"email": "alice@example.com", "password": CREDIT_PASSWORD})

    assert answer.status_code == 200
    assert profile_status(client, answer.json["token"]) == 200


def test_a_disabled_account_is_told_so_with_the_right_password_only(alice, client, books):
    elsewhere = log_in_elsewhere(client).json["access_token"]
    with transaction():
        db.session.execute(
            sa.update(Account).where(Account.email == "alice@example.com").values(is_active=False)
        )
    before = books()

    assert refusal(client.post(PATH, json=BODY)) == (403, "account_disabled")
    assert refusal(client.post(PATH, json={**BODY, "password": "Wrong1horse!"})) == (
        401,
        "wrong_credentials",
    )
    assert [profile_status(client, token) for token in (alice.token, elsewhere)] == [401, 401]
    assert books() == before
