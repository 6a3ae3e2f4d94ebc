"""POST /api/user/auth/sign-up."""

import jwt
import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.models import Account

from ...support.people import make_user
from ...support.promos import PASSWORD, new_company
from .shapes import NO_OBJECT, NO_TEXT, NO_WHOLE_NUMBER, Absent, bearer, refusal, replaced

PATH = "/api/user/auth/sign-up"
BODY = {
    "name": "Alice",
    "surname": "Alpha",
    "email": "alice@example.com",
    "password": PASSWORD,
    "avatar_url": "https://example.com/alice.png",
    "other": {"age": 30, "country": "us"},
}

RIGHT = {
    "name": ["A", "a" * 100, "Алиса"],
    "surname": ["A", "a" * 120, "O'Alpha-Beta"],
    "email": ["a@bc.com", "a" * 60 + "@" + "b" * 55 + ".com"],
    "password": ["Aa1@aaaa", "Aa1&" + "a" * 56, "aA0$!%*?&@"],
    "avatar_url": [
        Absent,
        "http://example.com",
        "http://localhost:8080/a?b=c",
        "https://example.com/".ljust(350, "a"),
    ],
    "other.age": [0, 100],
    "other.country": ["US", "us", "uS", "RU", "gb"],
}
WRONG = {
    "name": [Absent, *NO_TEXT, "", "a" * 101, "a\0b"],
    "surname": [Absent, *NO_TEXT, "", "a" * 121, "a\0b"],
    "email": [
        Absent,
        *NO_TEXT,
        "",
        "a@b.com",
        "a" * 61 + "@" + "b" * 55 + ".com",
        "alice.example.com",
        "alice@",
        "@example.com",
        "alice@exa mple.com",
        "a@b@example.com",
    ],
    "password": [
        *[Absent, *NO_TEXT, "", "Aa1@aaa", "Aa1@" + "a" * 57],
        *[
            "aaaa1111@",
            "AAAA1111@",
            "AAAAaaaa@",
            "AAAAaaaa1",
            "AAaa11@ ",
            "AAaa11@-",
            "AAaa11@ä",
            "AAaa\uff11\uff11@@",
            "AAaa11@@\n",
        ],
    ],
    "avatar_url": [
        *NO_TEXT,
        "",
        "example.com",
        "/a.png",
        "//example.com/a.png",
        "ftp://example.com/a.png",
        "https://",
        "https://example.com/".ljust(351, "a"),
    ],
    "other": [Absent, *NO_TEXT],
    "other.age": [Absent, *NO_WHOLE_NUMBER, -1, 101],
    "other.country": [Absent, *NO_TEXT, "", "u", "usa", "xx", "uk", "u ", "сы", "ß"],
}


def test_who_signs_up_is_signed_in(client):
    answer = client.post(PATH, json=BODY)

    assert (answer.status_code, answer.json.keys()) == (200, {"token"})
    assert answer.headers["Cache-Control"] == "no-store"
    profile = client.get("/api/user/profile", headers=bearer(answer.json["token"]))
    assert (profile.status_code, profile.json) == (200, replaced(BODY, "password", Absent))


def test_the_token_is_a_short_jwt_that_lives_for_a_day(client):
    token = client.post(PATH, json=BODY).json["token"]

    claims = jwt.decode(token, options={"verify_signature": False})
    assert len(token) <= 300
    assert claims["exp"] - claims["iat"] == 24 * 60 * 60


@pytest.mark.parametrize("hours", [1, 23])
def test_how_long_a_token_lives_is_a_setting(configured_app, hours, now_is):
    client = configured_app(promo_token_hours=hours).test_client()
    now_is("2025-06-15T00:00:00Z")
    token = client.post(PATH, json=BODY).json["token"]

    now_is(f"2025-06-15T{hours - 1:02}:59:59Z")
    assert client.get("/api/user/profile", headers=bearer(token)).status_code == 200
    now_is(f"2025-06-15T{hours:02}:00:00Z")
    assert refusal(client.get("/api/user/profile", headers=bearer(token))) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in RIGHT.items() for value in values]
)
def test_a_value_within_the_bounds_is_taken_and_given_back_as_written(field, value, client):
    body = replaced(BODY, field, value)

    answer = client.post(PATH, json=body)

    assert answer.status_code == 200, answer.json
    assert client.get("/api/user/profile", headers=bearer(answer.json["token"])).json == replaced(
        body, "password", Absent
    )


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_field_is_refused_and_named(field, client, books):
    before = books()

    for value in WRONG[field]:
        answer = client.post(PATH, json=replaced(BODY, field, value))
        assert refusal(answer) == (400, "validation_error"), value
        assert field in answer.json["message"], value
    assert books() == before


def test_what_is_no_json_object_is_refused(client, books):
    before = books()

    for body in NO_OBJECT:
        assert refusal(client.post(PATH, data=body, content_type="application/json"))[0] == 400, (
            body
        )
    assert books() == before


def test_unknown_fields_give_nobody_anything(client):
    extra = {
        "role": "administrator",
        "credit": 100,
        "id": "7",
        "is_active": False,
        "username": "root",
    }

    answer = client.post(PATH, json={**BODY, **extra, "other": {**BODY["other"], "height": 180}})

    assert answer.status_code == 200
    account = db.session.execute(sa.select(Account)).scalar_one()
    assert (account.role, account.is_active, account.username) == (
        "user",
        True,
        "alice@example.com",
    )
    assert (
        client.get("/api/user/profile", headers=bearer(answer.json["token"])).json["other"]
        == BODY["other"]
    )


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@Example.COM"])
def test_an_address_that_is_taken_in_any_case_is_refused(email, client, books):
    token = client.post(PATH, json=BODY).json["token"]
    before = books()

    answer = client.post(
        PATH, json={**BODY, "name": "Bob", "email": email}, headers={"Idempotency-Key": "again"}
    )

    assert answer.status_code == 409
    assert answer.json == {
        "status": "error",
        "message": "This e-mail address is registered already.",
        "error_code": "email_taken",
    }
    assert books() == before
    assert client.get("/api/user/profile", headers=bearer(token)).status_code == 200


def test_the_address_of_a_user_of_another_contract_is_taken(app, client, books):
    make_user(username="alice", email="alice@example.com")
    before = books()

    assert refusal(client.post(PATH, json=BODY)) == (409, "email_taken")
    assert books() == before


def test_a_company_with_the_same_address_is_another_account(client):
    company = new_company(client, email=BODY["email"])

    assert client.post(PATH, json=BODY).status_code == 200
    assert company.get("/api/business/promo").status_code == 200


def test_who_signs_up_here_logs_in_at_the_credit_contract_and_has_no_credit(client):
    client.post(PATH, json=BODY)

    answer = client.post(
        "/v1/auth/login", json={"username": "Alice@example.com", "password": PASSWORD}
    )

    assert answer.status_code == 200
    assert answer.json["user"] == {
        "id": answer.json["user"]["id"],
        "username": "alice@example.com",
        "name": "Alice",
        "credit": 0,
    }
    assert client.get(
        "/api/user/profile", headers=bearer(answer.json["access_token"])
    ).json == replaced(BODY, "password", Absent)
