"""POST /api/business/auth/sign-up."""

from uuid import UUID

import jwt
import pytest

from ...support.promos import (
    PASSWORD,
    assert_invalid,
    assert_refused,
    company_body,
    new_company,
    new_user,
    stop_clock,
)
from .cases import NO_TEXTS

PATH = "/api/business/auth/sign-up"

RIGHT = {
    "name": ["n" * 5, "n" * 50, "Ч" * 50, "🍵" * 5, "O'Neil & Sons"],
    "email": [
        "ab@cd.co",
        "a" * 64 + "@" + "d" * 51 + ".com",
        "first.last+tag@sub.example.com",
        "UPPER@Example.COM",
    ],
    "password": ["Abcde1@$", "aA1@" * 15, "aB3@$!%*?&", "1@aB1@aB"],
}
WRONG = {
    "name": ["", "n" * 4, "n" * 51, "nul\x00 in it", None, *NO_TEXTS],
    "email": [
        "",
        "a@cd.co",
        "a" * 64 + "@" + "d" * 52 + ".com",
        "example.com",
        "shop@",
        "@example.com",
        "shop@@example.com",
        "shop@example",
        "shop @example.com",
        "shop@exam ple.com",
        "shop@.example.com",
        "shop..one@example.com",
        "Shop <shop@example.com>",
        "shop@example.com,bob@example.com",
        None,
        *NO_TEXTS,
    ],
    "password": [
        "",
        "Abcd1@$",
        "aA1@" * 15 + "a",
        # Without a lower-case letter, a capital, a digit, a sign; each alone.
        "ABCDEF1@",
        "abcdef1@",
        "Abcdefg@",
        "Abcdefg1",
        "Abcdef1@ ",
        "Abc def1@",
        "Abcdef1@\n",
        "Abcdef1@#",
        "Abcdef1@_",
        "Abcdef1@ж",
        # Letters and digits of other scripts stand for none of these.
        "ЖBCDEF1@",
        "abcdefЖ1@",
        "Abcdefg\uff11@",
        None,
        *NO_TEXTS,
    ],
}


def test_a_company_gets_its_id_and_a_token_that_works(client):
    answer = client.post(PATH, json=company_body())

    assert answer.status_code == 200
    assert set(answer.json) == {"token", "company_id"}
    assert UUID(answer.json["company_id"]).version == 7
    assert answer.headers["Cache-Control"] == "no-store"
    assert (
        client.get(
            "/api/business/promo", headers={"Authorization": f"Bearer {answer.json['token']}"}
        ).json
        == []
    )


def test_a_token_is_a_jwt_of_at_most_300_characters_that_lives_24_hours(client):
    token = new_company(client).token

    claims = jwt.decode(token, options={"verify_signature": False})
    assert len(token) <= 300
    assert claims["exp"] - claims["iat"] == 24 * 3600


@pytest.mark.parametrize("hours", [1, 24])
def test_a_token_is_dead_once_its_hours_are_over(hours, configured_app, monkeypatch):
    client = configured_app(promo_token_hours=hours).test_client()
    stop_clock(monkeypatch, "2025-03-01T00:00:00Z")
    company = new_company(client)

    stop_clock(monkeypatch, f"2025-03-01T{hours - 1:02}:59:59Z")
    assert company.get("/api/business/promo").status_code == 200
    stop_clock(monkeypatch, f"2025-03-{1 + hours // 24:02}T{hours % 24:02}:00:00Z")
    assert_refused(company.get("/api/business/promo"), 401, "invalid_token")


@pytest.mark.parametrize(("field", "values"), RIGHT.items())
def test_a_field_at_its_bounds_is_accepted(field, values, client):
    for value in values:
        body = company_body(**{field: value})
        assert client.post(PATH, json=body).status_code == 200, value
        assert (
            client.post(
                "/api/business/auth/sign-in",
                json={"email": body["email"], "password": body["password"]},
            ).status_code
            == 200
        ), value


@pytest.mark.parametrize(("field", "values"), WRONG.items())
def test_a_field_beyond_its_bounds_or_of_another_type_is_refused(field, values, client, books):
    before = books()

    for value in values:
        assert_invalid(client.post(PATH, json=company_body(**{field: value})), field, value)

    assert books() == before


@pytest.mark.parametrize("field", sorted(company_body()))
def test_every_field_is_needed(field, client, books):
    before = books()

    assert_invalid(
        client.post(
            PATH, json={name: value for name, value in company_body().items() if name != field}
        ),
        field,
    )

    assert books() == before


def test_unknown_and_read_only_fields_are_ignored(client):
    chosen = "00000000-0000-7000-8000-000000000000"

    answer = client.post(
        PATH, json=company_body(company_id=chosen, token="mine", role="administrator", extra=None)
    )

    assert answer.status_code == 200
    assert answer.json["company_id"] != chosen


@pytest.mark.parametrize(
    "spelling", ["corner@example.com", "CORNER@EXAMPLE.COM", "Corner@Example.com"]
)
def test_an_address_is_a_companys_once_in_whatever_case(spelling, client, books):
    first = new_company(client, email="corner@example.com")
    before = books()

    assert_refused(client.post(PATH, json=company_body(email=spelling)), 409, "email_taken")

    assert books() == before
    assert first.get("/api/business/promo").status_code == 200


def test_a_user_may_have_the_same_address(client):
    user = new_user(client, email="corner@example.com")

    company = new_company(client, email="corner@example.com")

    assert user.get("/api/user/profile").status_code == 200
    assert company.get("/api/business/promo").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "nonsense",
        "[]",
        "[{}]",
        "null",
        '"text"',
        "5",
        "{'name': 'Corner Shop'}",
        '{"name": "\\ud800Corner"}',
        "{} {}",
        b"\xff\xfe",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body, client, books):
    before = books()

    answer = client.post(PATH, data=body, content_type="application/json")

    assert answer.status_code == 400
    assert_refused(answer, 400, answer.json["error_code"])
    assert answer.json["error_code"] in ("malformed_request", "validation_error")
    assert books() == before


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", None],
)
def test_a_body_is_json_whatever_its_content_type_says(content_type, client):
    body = (
        b'{"name": "Corner Shop", "email": "corner@example.com", "password": "%s"}'
        % PASSWORD.encode()
    )

    assert client.post(PATH, data=body, content_type=content_type).status_code == 200


def test_a_key_for_repeating_is_ignored(client, books):
    body = company_body()
    headers = {"Idempotency-Key": "once"}
    assert client.post(PATH, json=body, headers=headers).status_code == 200
    before = books()

    assert_refused(client.post(PATH, json=body, headers=headers), 409, "email_taken")

    assert books() == before
