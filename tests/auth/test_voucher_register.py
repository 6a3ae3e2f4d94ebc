"""POST /api/auth/register/."""

import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.identity import accounts
from coupon_management_flask.models import Account, LoginSession, Wallet

from ..support.envelope import AN_ID, NOW
from ..support.people import make_user
from .conftest import ALICE, PASSWORD, invalid, refused

REGISTER = "/api/auth/register/"
OPTIONAL = ("username", "phone_number")


def counts():
    return [
        db.session.scalar(sa.select(sa.func.count()).select_from(model))
        for model in (Account, Wallet, LoginSession)
    ]


def test_who_registers_is_signed_in_and_has_an_empty_wallet(client):
    answer = client.post(
        REGISTER, json={**ALICE, "username": "ally", "phone_number": "+1 (555) 123-4567"}
    )

    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (
        201,
        "application/json",
        "no-store",
    )
    user = {
        "id": AN_ID,
        "email": "alice@example.com",
        "username": "ally",
        "first_name": "Alice",
        "last_name": "Alpha",
        "full_name": "Alice Alpha",
        "phone_number": "+1 (555) 123-4567",
        "address": None,
        "date_of_birth": None,
        "profile_picture": None,
        "credit": 0,
        "is_active": True,
        "is_staff": False,
        "is_superuser": False,
        "date_joined": NOW,
    }
    body = answer.json
    assert body == {
        "user": user,
        "access": body["access"],
        "refresh": body["refresh"],
        "message": body["message"],
    }
    assert body["message"]
    assert (
        client.get(
            "/api/users/profile/", headers={"Authorization": f"Bearer {body['access']}"}
        ).json
        == body["user"]
    )
    assert (
        client.post("/api/auth/token/refresh/", json={"refresh": body["refresh"]}).status_code
        == 200
    )
    assert counts() == [1, 1, 1]
    (hashed,) = db.session.scalars(sa.select(Account.password_hash))
    assert PASSWORD not in hashed


def test_the_username_is_the_email_unless_given(register):
    assert register().user["username"] == "alice@example.com"
    assert (
        register(email="bob@example.com", username="bob@example.com").user["username"]
        == "bob@example.com"
    )


def test_spaces_around_what_is_typed_are_not_kept(register):
    user = register(
        first_name=" Alice ", last_name="Alpha ", username=" ally", phone_number=" 024 412 3456 "
    ).user

    assert (user["full_name"], user["username"], user["phone_number"]) == (
        "Alice Alpha",
        "ally",
        "024 412 3456",
    )


def test_one_person_has_one_account_in_all_contracts(client, register):
    member = register()

    for path, body in (
        ("/v1/auth/login", {"username": ALICE["email"]}),
        ("/api/user/auth/sign-in", {"email": ALICE["email"]}),
    ):
        assert client.post(path, json={**body, "password": PASSWORD}).status_code == 200
    for path in ("/v1/coupons", "/api/user/profile"):
        assert member.request("GET", path).status_code == 200


def test_what_is_missing_is_named(client, stored):
    before = stored()

    assert invalid(client.post(REGISTER, json={}), *ALICE) == {
        field: ["This field is required."] for field in ALICE
    }
    assert stored() == before


def test_a_field_that_is_wrong_or_unknown_is_named_and_nobody_is_registered(client, stored):
    before = stored()
    wrong = {"email": "alice", "first_name": "", "phone_number": 1, "is_staff": True}

    invalid(client.post(REGISTER, json={**ALICE, **wrong}), *wrong)
    # An e-mail address of somebody else is no username, and others are shorter.
    for username in ("x" * 151, "bob@example.com", "a@b"):
        invalid(client.post(REGISTER, json={**ALICE, "username": username}), "username")
    assert stored() == before


def test_a_weak_password_is_told_so(client, stored):
    before = stored()

    answer = client.post(
        REGISTER, json={**ALICE, "password": "123456", "password_confirm": "123456"}
    )
    assert len(invalid(answer, "password")["password"]) == 3
    assert stored() == before


def test_a_password_that_is_long_or_foreign_or_holds_a_common_one_is_fine(client, sign_in):
    for number, password in enumerate(
        ["x7" * 64, "пароль слон", "  spaces  ", "password123 and more"]
    ):
        email = f"user{number}@example.com"
        assert (
            client.post(
                REGISTER,
                json={**ALICE, "email": email, "password": password, "password_confirm": password},
            ).status_code
            == 201
        )
        assert sign_in(email, password).user["email"] == email


def test_passwords_that_differ_are_told_so(client, stored):
    before = stored()

    answer = client.post(REGISTER, json={**ALICE, "password_confirm": PASSWORD.upper()})
    invalid(answer, "password_confirm")
    assert stored() == before


def test_an_email_that_is_taken_is_told_so(client, register, stored):
    register(username="ally")
    make_user(username="bob", email="bob@example.com")
    before = stored()

    for email in ("alice@example.com", "ALICE@Example.com", "bob@example.com"):
        for more in ({}, {"username": "somebody"}):
            invalid(client.post(REGISTER, json={**ALICE, "email": email, **more}), "email")
    assert stored() == before


def test_a_username_that_is_taken_is_told_so(client, register, stored):
    register(username="ally")
    before = stored()

    for username in ("ally", "ALLY", " Ally "):
        invalid(
            client.post(
                REGISTER, json={**ALICE, "email": "other@example.com", "username": username}
            ),
            "username",
        )
    assert stored() == before


def test_a_company_may_have_the_same_email(app, register):
    accounts.create_company(name="Shop", email=ALICE["email"], password=PASSWORD)

    assert register().user["email"] == ALICE["email"]


def test_the_idempotency_key_is_ignored(client):
    for status in (201, 400):
        answer = client.post(REGISTER, json=ALICE, headers={"Idempotency-Key": "7f1c"})
        assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (status, False)


def test_what_is_no_object_is_refused(client, stored):
    before = stored()

    refused(client.post(REGISTER, data=b"{"), 400, "malformed_request")
    refused(client.post(REGISTER), 400, "malformed_request")
    invalid(client.post(REGISTER, data=b"[]"), "body")
    assert stored() == before


def test_registrations_count_among_the_sign_ups_of_an_address(configured_app):
    client = configured_app(
        rate_limits_enabled=True, rate_limit_logins="2 per minute"
    ).test_client()

    assert client.post(REGISTER, json=ALICE).status_code == 201
    assert (
        client.post(
            "/v1/auth/login", json={"username": ALICE["email"], "password": PASSWORD}
        ).status_code
        == 200
    )
    answer = client.post(REGISTER, json={**ALICE, "email": "bob@example.com"})
    refused(answer, 429, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1
    assert accounts.find("bob@example.com") is None
