"""GET and PATCH /api/user/profile."""

import pytest

from ...support.people import make_user, sign_in
from ...support.promos import PASSWORD, new_user, publish
from .shapes import NO_OBJECT, Absent, bearer, page, refusal, replaced
from .test_sign_up import RIGHT, WRONG

PATH = "/api/user/profile"
ALICE = {
    "name": "Alice",
    "surname": "Alpha",
    "email": "alice@example.com",
    "other": {"age": 30, "country": "us"},
}
FULL = {**ALICE, "avatar_url": "https://example.com/alice.png"}
NEW_PASSWORD = "Another2horse?"


def for_changes(values):
    """Return the values of sign-up's tests that mean the same here.

    Here nothing is missing, and null changes nothing.
    """
    return [value for value in values if value not in (Absent, None)]


@pytest.fixture
def alice(client):
    return new_user(client, **FULL)


def sign_in_statuses(client):
    return [
        client.post(
            "/v1/auth/login", json={"username": ALICE["email"], "password": password}
        ).status_code
        for password in (PASSWORD, NEW_PASSWORD)
    ]


def test_a_profile_shows_what_was_signed_up_with(alice):
    answer = alice.get(PATH)

    assert (answer.status_code, answer.json) == (200, FULL)


def test_without_an_avatar_the_field_is_left_out(client):
    alice = new_user(client, **ALICE)

    assert alice.get(PATH).json == ALICE


def test_other_is_left_out_for_an_account_of_another_contract(app, client):
    account = sign_in(client, *make_user(username="alice", email="alice@example.com", name="Alice"))

    assert account.get(PATH).json == {"name": "Alice", "surname": "", "email": "alice@example.com"}


def test_an_account_of_another_contract_says_its_age_and_country_here(app, client):
    account = sign_in(client, *make_user(username="alice", email="alice@example.com", name="Alice"))

    answer = account.patch(PATH, json={"other": {"age": 30, "country": "us"}})

    assert (answer.status_code, answer.json) == (
        200,
        {
            "name": "Alice",
            "surname": "",
            "email": "alice@example.com",
            "other": {"age": 30, "country": "us"},
        },
    )


@pytest.mark.parametrize("value", [None, Absent], ids=["null", "absent"])
@pytest.mark.parametrize("field", ["name", "surname", "avatar_url", "password", "other"])
def test_what_is_null_or_absent_stays(field, value, alice, client):
    every = {
        "name": "New",
        "surname": "Newer",
        "avatar_url": "http://example.org/new.png",
        "password": NEW_PASSWORD,
        "other": {"age": 31, "country": "FR"},
    }
    changes = replaced(every, field, value)

    answer = alice.patch(PATH, json=changes)

    expected = {**FULL, **{name: new for name, new in changes.items() if new is not None}}
    assert (answer.status_code, answer.json) == (200, replaced(expected, "password", Absent))
    assert alice.get(PATH).json == answer.json
    assert sign_in_statuses(client) == ([200, 401] if field == "password" else [401, 200])


def test_no_changes_are_valid_changes(alice, books):
    before = books()

    answer = alice.patch(PATH, json={})

    assert (answer.status_code, answer.json) == (200, FULL)
    assert books() == before


@pytest.mark.parametrize("field", ["name", "surname", "avatar_url", "other"])
def test_one_field_changes_alone(field, alice):
    new = {
        "name": "New",
        "surname": "Newer",
        "avatar_url": "http://example.org/new.png",
        "other": {"age": 31, "country": "FR"},
    }[field]

    assert alice.patch(PATH, json={field: new}).json == {**FULL, field: new}


@pytest.mark.parametrize("field", [field for field in RIGHT if field != "email"])
def test_a_value_within_the_bounds_is_taken(field, alice):
    for value in for_changes(RIGHT[field]):
        changes = replaced(FULL, field, value)
        answer = alice.patch(PATH, json=changes)
        assert (answer.status_code, answer.json) == (200, replaced(changes, "password", Absent)), (
            value
        )


@pytest.mark.parametrize("field", [field for field in WRONG if field != "email"])
def test_changes_with_one_wrong_field_change_nothing(field, alice, books):
    before = books()

    for value in WRONG[field] if field.startswith("other.") else for_changes(WRONG[field]):
        answer = alice.patch(PATH, json=replaced({**FULL, "name": "New"}, field, value))
        assert refusal(answer) == (400, "validation_error"), value
        assert field in answer.json["message"], value
    assert books() == before


def test_what_is_no_json_object_is_refused(alice, books):
    before = books()

    for body in NO_OBJECT:
        assert refusal(alice.patch(PATH, data=body))[0] == 400, body
    assert books() == before


@pytest.mark.parametrize(
    "extra",
    [
        {"email": "bob@example.com"},
        {"email": None},
        {"id": 7, "role": "administrator", "credit": 100},
    ],
)
def test_what_is_read_only_or_unknown_is_ignored(extra, alice, books):
    before = books()

    answer = alice.patch(PATH, json=extra)

    assert (answer.status_code, answer.json) == (200, FULL)
    assert books() == before


def test_a_new_password_works_at_once_and_leaves_this_token_alone(alice, client):
    elsewhere = client.post(
        "/v1/auth/login", json={"username": ALICE["email"], "password": PASSWORD}
    ).json

    answer = alice.patch(PATH, json={"password": NEW_PASSWORD})

    assert (answer.status_code, answer.json) == (200, FULL)
    assert alice.get(PATH).status_code == 200
    assert client.get(PATH, headers=bearer(elsewhere["access_token"])).status_code == 401
    assert (
        client.post(
            "/v1/auth/token/refresh", headers=bearer(elsewhere["refresh_token"])
        ).status_code
        == 401
    )
    assert sign_in_statuses(client) == [401, 200]


def test_a_new_password_set_with_another_contracts_token_ends_this_contracts(alice, bob, client):
    elsewhere = client.post(
        "/v1/auth/login", json={"username": ALICE["email"], "password": PASSWORD}
    ).json["access_token"]

    assert (
        client.patch(PATH, json={"password": NEW_PASSWORD}, headers=bearer(elsewhere)).status_code
        == 200
    )

    assert client.get(PATH, headers=bearer(elsewhere)).status_code == 200
    assert alice.get(PATH).status_code == 401
    assert bob.get(PATH).status_code == 200


def test_a_profile_belongs_to_one_person(alice, bob):
    before = bob.get(PATH).json

    alice.patch(
        PATH, json={"name": "New", "password": NEW_PASSWORD, "other": {"age": 99, "country": "de"}}
    )

    assert bob.get(PATH).json == before


def test_the_feed_follows_a_new_age_and_country(alice, company):
    old = publish(company, target={"country": "us", "age_until": 30})
    new = publish(company, target={"country": "de", "age_from": 31})
    assert page(alice.get("/api/user/feed")) == (1, [old])

    alice.patch(PATH, json={"other": {"age": 31, "country": "DE"}})

    assert page(alice.get("/api/user/feed")) == (1, [new])
