"""GET, PUT and PATCH /api/auth/profile/ and /api/users/profile/."""

from datetime import datetime, timedelta

import pytest

from coupon_management_flask.core import clock
from coupon_management_flask.identity import accounts

from ..support.people import PASSWORD as OTHER_PASSWORD
from ..support.people import make_user
from ..support.promos import new_company, new_user
from .conftest import invalid, refused

either_path = pytest.mark.parametrize(
    "path", ["/api/auth/profile/", "/api/users/profile/"], ids=["auth", "users"]
)
PATH = "/api/users/profile/"

NEW = {
    "username": "ally",
    "first_name": "Alicia",
    "last_name": "Beta",
    "phone_number": "+44 20 7946 0958",
    "address": "1 High Street\nLondon",
    "date_of_birth": "1990-02-28",
    "profile_picture": "https://example.com/alice.png",
}
CLEARED = ("phone_number", "address", "date_of_birth", "profile_picture")


@either_path
def test_a_profile_is_read_under_both_paths(member, path):
    answer = member.request("GET", path)

    assert (answer.status_code, answer.json) == (200, member.user)


@either_path
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_all_that_can_change_changes(member, method, path):
    answer = member.request(method, path, NEW)

    assert (answer.status_code, answer.json) == (
        200,
        {**member.user, **NEW, "full_name": "Alicia Beta"},
    )
    assert member.request("GET", PATH).json == answer.json


def test_one_field_changes_alone(member):
    expected = dict(member.user)
    for field, value in NEW.items():
        expected |= {field: value}
        expected["full_name"] = f"{expected['first_name']} {expected['last_name']}"
        assert member.request("PATCH", PATH, {field: value}).json == expected


def test_what_was_read_can_be_put_back(app, client, member, sign_in):
    accounts.create_user(
        email="bob@example.com", username="bob", password=OTHER_PASSWORD, name="Bob"
    )
    accounts.create_user(
        email=f"{'x' * 60}@{'y' * 60}.{'z' * 60}.example", password=OTHER_PASSWORD, name="Long"
    )
    for somebody in (
        member,
        sign_in("bob@example.com"),
        sign_in(f"{'x' * 60}@{'y' * 60}.{'z' * 60}.example"),
    ):
        answer = somebody.request("PUT", PATH, somebody.user)
        assert (answer.status_code, answer.json) == (200, somebody.user)


def test_to_put_needs_both_names_and_leaves_what_is_not_named(member):
    full = member.request("PUT", PATH, NEW).json

    for field in ("first_name", "last_name"):
        assert invalid(
            member.request("PUT", PATH, {name: NEW[name] for name in NEW if name != field}), field
        ) == {field: ["This field is required."]}
    answer = member.request("PUT", PATH, {"first_name": "A", "last_name": "B"})
    assert answer.json == {**full, "first_name": "A", "last_name": "B", "full_name": "A B"}


def test_null_clears_what_need_not_be_there(member):
    member.request("PATCH", PATH, NEW)

    answer = member.request("PATCH", PATH, dict.fromkeys(CLEARED))

    assert [answer.json[name] for name in CLEARED] == [None] * 4
    for field in ("username", "first_name", "last_name"):
        assert invalid(member.request("PATCH", PATH, {field: None}), field) == {
            field: ["This field may not be null."]
        }


def test_what_is_read_only_or_unknown_is_ignored(member, stored):
    before = stored()
    extra = {
        "id": 7,
        "email": "bob@example.com",
        "full_name": "X",
        "credit": 100,
        "is_active": False,
        "is_staff": True,
        "is_superuser": True,
        "role": "x",
    }

    for body in ({}, extra, {**extra, "date_joined": None, "password": "new horse 1"}):
        answer = member.request("PATCH", PATH, body)
        assert (answer.status_code, answer.json) == (200, member.user)
    assert stored() == before


def test_a_wrong_field_is_named_and_nothing_changes(member, stored):
    before = stored()
    wrong = {
        "first_name": "x" * 151,
        "last_name": 1,
        "phone_number": "call me",
        "address": " ",
        "date_of_birth": "soon",
        "profile_picture": "alice.png",
    }

    for method in ("PATCH", "PUT"):
        invalid(member.request(method, PATH, {**NEW, **wrong}), *wrong)
        # An e-mail address of somebody else is no username, and others are shorter.
        for username in ("x" * 151, "bob@example.com"):
            invalid(member.request(method, PATH, {**NEW, "username": username}), "username")
    assert stored() == before


def test_somebody_may_have_been_born_today(member):
    today = clock.now().date().isoformat()

    assert member.request("PATCH", PATH, {"date_of_birth": today}).json["date_of_birth"] == today


def test_a_username_that_is_taken_is_told_so_and_nothing_changes(app, member, stored):
    make_user(username="bob")
    before = stored()

    for username in ("bob", "BOB", " Bob "):
        invalid(member.request("PATCH", PATH, {**NEW, "username": username}), "username")
    assert stored() == before


def test_a_new_username_signs_in_and_the_old_one_is_free(app, client, member):
    def sign_in(username):
        return client.post(
            "/v1/auth/login", json={"username": username, "password": OTHER_PASSWORD}
        ).status_code

    assert member.request("PATCH", PATH, {"username": "Ally"}).status_code == 200
    assert [sign_in(name) for name in ("ally", "alice@example.com")] == [200, 200]
    # The account's own e-mail address is allowed again.
    assert (
        member.request("PATCH", PATH, {"username": "Alice@example.com"}).json["username"]
        == "Alice@example.com"
    )
    assert sign_in("ally") == 401
    make_user(username="ally")


def test_the_promo_contract_shows_the_same_person(client):
    alice = new_user(client, name="Alice", surname="Alpha", email="alice@example.com")
    headers = {"Authorization": f"Bearer {alice.token}"}

    client.patch(
        PATH,
        json={"first_name": "Alicia", "profile_picture": "https://example.com/a.png"},
        headers=headers,
    )

    shown = alice.get("/api/user/profile").json
    assert [shown[name] for name in ("name", "surname", "avatar_url")] == [
        "Alicia",
        "Alpha",
        "https://example.com/a.png",
    ]


def test_credit_flags_and_date_are_those_of_the_account(admin, alice):
    for person, flag, credit in ((admin, True, 0), (alice, False, 100)):
        shown = person.get(PATH).json
        assert [shown[name] for name in ("is_staff", "is_superuser", "credit")] == [
            flag,
            flag,
            credit,
        ]
        assert abs(datetime.fromisoformat(shown["date_joined"]) - clock.now()) < timedelta(
            minutes=1
        )


@either_path
def test_who_is_no_user_has_no_business_here(client, member, path):
    company = new_company(client).token

    for method in ("GET", "PUT", "PATCH"):
        refused(client.open(path, method=method, json=NEW), 401, "authentication_required")
        for token in ("nonsense", company, member.refresh):
            refused(
                client.open(
                    path, method=method, json=NEW, headers={"Authorization": f"Bearer {token}"}
                ),
                401,
                "invalid_token",
            )
    assert member.request("GET", path).json == member.user


def test_a_change_with_an_idempotency_key_happens_once(member):
    first = member.request("PATCH", PATH, {"first_name": "Alicia"}, idempotency_key="7f1c")
    member.request("PATCH", PATH, {"first_name": "Alba"})
    again = member.request("PATCH", PATH, {"first_name": "Alicia"}, idempotency_key="7f1c")

    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (
        200,
        first.data,
        "true",
    )
    assert member.request("GET", PATH).json["first_name"] == "Alba"
    refused(
        member.request("PATCH", PATH, {"first_name": "Alina"}, idempotency_key="7f1c"),
        422,
        "idempotency_key_reused",
    )


def test_reading_is_one_statement_beyond_the_guards(member, statements):
    member.request("GET", PATH)
    statements.clear()

    member.request("GET", PATH)

    assert len(statements) == 2
