"""POST /api/business/auth/sign-in."""

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import Account

from ...support.promos import PASSWORD, assert_invalid, assert_refused, new_company, new_user
from .cases import NO_TEXTS

PATH = "/api/business/auth/sign-in"


def _works(client, token):
    answer = client.get("/api/business/promo", headers={"Authorization": f"Bearer {token}"})
    if answer.status_code != 200:
        assert_refused(answer, 401, "invalid_token")
    return answer.status_code == 200


def test_a_sign_in_gives_a_token_and_ends_every_earlier_one(client, company):
    tokens = [company.token]
    for _ in range(3):
        answer = client.post(PATH, json={"email": company.email, "password": PASSWORD})
        assert answer.status_code == 200
        assert set(answer.json) == {"token"}
        assert len(answer.json["token"]) <= 300
        assert answer.headers["Cache-Control"] == "no-store"
        tokens.append(answer.json["token"])

    assert [_works(client, token) for token in tokens] == [False, False, False, True]


def test_a_sign_in_ends_no_token_of_anybody_else(client, company, rival):
    user = new_user(client, email=company.email)

    assert client.post(PATH, json={"email": company.email, "password": PASSWORD}).status_code == 200

    assert _works(client, rival.token)
    assert user.get("/api/user/profile").status_code == 200


@pytest.mark.parametrize("change", [str.upper, str.title, str])
def test_an_address_is_compared_without_case(change, client):
    new_company(client, email="Corner@example.com")

    assert (
        client.post(
            PATH, json={"email": change("corner@example.com"), "password": PASSWORD}
        ).status_code
        == 200
    )


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD + "1",
        PASSWORD[:-1],
        PASSWORD.lower(),
        PASSWORD.upper(),
        "x",
        "",
        "Пароль",
        "p" * 1000,
    ],
)
def test_a_wrong_password_is_refused_and_ends_nothing(password, client, company, books):
    before = books()

    assert_refused(
        client.post(PATH, json={"email": company.email, "password": password}),
        401,
        "wrong_credentials",
    )

    assert books() == before
    assert _works(client, company.token)


# Lengths and form are checked when they are set, not here.
@pytest.mark.parametrize(
    "email", ["bob@example.com", "x", "", "no address", "@", "b" * 1000 + "@example.com"]
)
def test_nobodys_address_is_refused_like_a_wrong_password(email, client, company):
    nobody = client.post(PATH, json={"email": email, "password": PASSWORD})
    wrong_password = client.post(PATH, json={"email": company.email, "password": "Wrong@horse1"})

    assert_refused(nobody, 401, "wrong_credentials")
    assert nobody.get_data() == wrong_password.get_data()


def test_a_user_does_not_sign_in_as_a_company_nor_a_company_as_a_user(client):
    new_user(client, email="bob@example.com")
    new_company(client, email="corner@example.com")

    assert_refused(
        client.post(PATH, json={"email": "bob@example.com", "password": PASSWORD}),
        401,
        "wrong_credentials",
    )
    assert_refused(
        client.post(
            "/api/user/auth/sign-in", json={"email": "corner@example.com", "password": PASSWORD}
        ),
        401,
        "wrong_credentials",
    )


@pytest.mark.parametrize("field", ["email", "password"])
def test_a_field_of_another_type_is_refused(field, client, company):
    for value in [None, *NO_TEXTS]:
        assert_invalid(
            client.post(PATH, json={"email": company.email, "password": PASSWORD, field: value}),
            field,
            value,
        )

    assert _works(client, company.token)


@pytest.mark.parametrize("field", ["email", "password"])
def test_both_fields_are_needed(field, client, company):
    body = {
        name: value
        for name, value in {"email": company.email, "password": PASSWORD}.items()
        if name != field
    }

    assert_invalid(client.post(PATH, json=body), field)


def test_unknown_fields_are_ignored(client, company):
    assert (
        client.post(
            PATH, json={"email": company.email, "password": PASSWORD, "name": 5, "token": None}
        ).status_code
        == 200
    )


def test_a_disabled_company_is_refused_and_its_token_is_dead(client, company):
    with transaction():
        db.session.execute(
            sa.update(Account).where(Account.email == company.email).values(is_active=False)
        )

    assert_refused(
        client.post(PATH, json={"email": company.email, "password": PASSWORD}),
        403,
        "account_disabled",
    )
    assert not _works(client, company.token)


def test_after_ten_wrong_passwords_the_right_one_must_wait_too(configured_app):
    client = configured_app(rate_limits_enabled=True).test_client()
    company = new_company(client)
    for _ in range(10):
        assert_refused(
            client.post(PATH, json={"email": company.email, "password": "Wrong@horse1"}),
            401,
            "wrong_credentials",
        )

    answer = client.post(PATH, json={"email": company.email, "password": PASSWORD})

    assert_refused(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 600
    assert _works(client, company.token)


def test_a_key_for_repeating_is_ignored(client, company):
    headers = {"Idempotency-Key": "once"}
    body = {"email": company.email, "password": PASSWORD}

    first, second = (client.post(PATH, json=body, headers=headers) for _ in range(2))

    assert first.json["token"] != second.json["token"]
    assert "Idempotent-Replayed" not in second.headers
