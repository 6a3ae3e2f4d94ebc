"""GET /v1/user, GET /v1/user/<id> and POST /v1/user."""

from uuid import uuid4

import pytest

from coupon_management_flask.audit.rules import discrepancies
from coupon_management_flask.identity import accounts

from ..support.envelope import (
    AN_ID,
    NOW,
    each,
    invalid,
    meta,
    ok,
    refused,
    user_of,
)
from ..support.people import PASSWORD, make_coupon, make_user

BODY = {
    "username": "carol",
    "password": PASSWORD,
    "name": "Carol",
    "email": "carol@example.com",
    "credit": 20,
}


def log_in(client, username, password=PASSWORD):
    return client.post("/v1/auth/login", json={"username": username, "password": password})


# List.


def test_administrators_see_all_users_by_registration(admin, bob, alice):
    users = [
        user_of(admin, name="Admin", credit=0),
        user_of(bob, name="Bob", credit=100),
        user_of(alice, name="Alice", credit=100),
    ]

    ok(admin.get("/v1/user"), {"users": users, "meta": meta(1, 1, 3)})


def test_the_credit_is_what_is_left(admin, alice):
    alice.post(f"/v1/coupons/use/{make_coupon(value=30).hidden_code}")

    users = [user_of(admin, name="Admin", credit=0), user_of(alice, name="Alice", credit=70)]
    ok(admin.get("/v1/user"), {"users": users, "meta": meta(1, 1, 2)})
    ok(admin.get(f"/v1/user/{alice.id}"), {"user": users[1]})


def test_every_user_is_on_exactly_one_page(admin):
    users = [user_of(admin, name="Admin", credit=0)]
    for number in range(10):
        account_id, username = make_user(username=f"user {number}", name="x", credit=number)
        users.append({"id": str(account_id), "username": username, "name": "x", "credit": number})

    ok(admin.get("/v1/user"), {"users": users[:10], "meta": meta(1, 2, 11)})
    ok(admin.get("/v1/user?page=2"), {"users": users[10:], "meta": meta(2, 2, 11)})
    ok(admin.get("/v1/user?page=3"), {"users": [], "meta": meta(3, 2, 11)})
    ok(admin.get("/v1/user?per_page=4&page=2"), {"users": users[4:8], "meta": meta(2, 3, 11)})
    ok(admin.get("/v1/user?per_page=100"), {"users": users, "meta": meta(1, 1, 11)})


def test_a_page_out_of_bounds_is_refused(admin):
    invalid(admin.get("/v1/user?page=0"), "page")


def test_companies_and_services_are_no_users(admin):
    company_id = accounts.create_company(name="Shop", email="shop@example.com", password=PASSWORD)

    ok(
        admin.get("/v1/user"),
        {"users": [user_of(admin, name="Admin", credit=0)], "meta": meta(1, 1, 1)},
    )
    refused(admin.get(f"/v1/user/{company_id}"), 404, "user_not_found")


def test_only_administrators_see_the_list(client, alice):
    for query in ("", "?page=0"):
        refused(client.get(f"/v1/user{query}"), 401, "authentication_required")
        refused(alice.get(f"/v1/user{query}"), 403, "permission_denied")


# Read.


def test_a_user_may_read_itself_and_an_administrator_anyone(admin, alice):
    ok(alice.get(f"/v1/user/{alice.id}"), {"user": user_of(alice, name="Alice", credit=100)})
    ok(admin.get(f"/v1/user/{alice.id}"), {"user": user_of(alice, name="Alice", credit=100)})
    ok(admin.get(f"/v1/user/{admin.id}"), {"user": user_of(admin, name="Admin", credit=0)})


def test_a_user_may_not_read_another(alice, bob, admin):
    for other in (bob, admin):
        refused(alice.get(f"/v1/user/{other.id}"), 403, "permission_denied")


def test_an_unknown_user_is_refused_before_ownership_is_asked(alice, admin):
    for reader in (alice, admin):
        refused(reader.get(f"/v1/user/{uuid4()}"), 404, "user_not_found")


@pytest.mark.parametrize("user_id", ["7", "alice", "00000000-0000-0000-0000-00000000000g"])
def test_an_id_that_is_no_uuid_is_refused(alice, user_id):
    invalid(alice.get(f"/v1/user/{user_id}"), "user_id")


def test_without_a_token_one_is_asked_for(client, alice):
    for user_id in (alice.id, uuid4(), 7):
        refused(client.get(f"/v1/user/{user_id}"), 401, "authentication_required")


# Create.


def test_the_new_user_is_shown_and_can_sign_in_by_username_and_email(admin, client):
    answer = admin.post("/v1/user", json=BODY)

    ok(answer, {"user": {"id": AN_ID, "username": "carol", "name": "Carol", "credit": 20}}, 201)
    user = answer.json["data"]["user"]
    ok(admin.get(f"/v1/user/{user['id']}"), {"user": user})
    for login in ("carol", "carol@example.com"):
        assert log_in(client, login).json["user"] == user


def test_what_it_starts_with_stands_in_its_ledger(admin):
    user_id = admin.post("/v1/user", json=BODY).json["data"]["user"]["id"]

    entry = {
        "id": AN_ID,
        "amount": 20,
        "balance_after": 20,
        "reason": "opening balance",
        "reference": None,
        "created_at": NOW,
    }
    ok(admin.get(f"/v1/user/{user_id}/ledger"), {"entries": [entry], "meta": meta(1, 1, 1)})
    assert list(discrepancies()) == []


def test_without_email_and_credit_it_has_neither(admin, client):
    body = {name: value for name, value in BODY.items() if name not in ("email", "credit")}

    answer = admin.post("/v1/user", json=body)

    ok(answer, {"user": {"id": AN_ID, "username": "carol", "name": "Carol", "credit": 0}}, 201)
    ok(
        admin.get(f"/v1/user/{answer.json['data']['user']['id']}/ledger"),
        {"entries": [], "meta": meta(1, 0, 0)},
    )
    refused(log_in(client, "carol@example.com"), 401, "wrong_credentials")


def test_a_new_user_is_no_administrator(admin, client):
    admin.post("/v1/user", json=BODY)
    token = log_in(client, "carol").json["access_token"]

    refused(
        client.get("/v1/user", headers={"Authorization": f"Bearer {token}"}),
        403,
        "permission_denied",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        username=["x", "x" * 150, "夏 7"],
        name=["x", "x" * 100],
        password=["x" * 8, "x" * 128],
        credit=[0, 1_000_000_000],
    ),
)
def test_a_field_may_go_to_its_bounds(admin, client, field, value):
    body = {**BODY, field: value}

    ok(
        admin.post("/v1/user", json=body),
        {
            "user": {
                "id": AN_ID,
                "username": body["username"],
                "name": body["name"],
                "credit": body["credit"],
            }
        },
        201,
    )
    assert log_in(client, body["username"], body["password"]).status_code == 200


def test_a_username_may_be_the_users_own_email(admin, client):
    answer = admin.post("/v1/user", json={**BODY, "username": "carol@example.com"})

    ok(
        answer,
        {"user": {"id": AN_ID, "username": "carol@example.com", "name": "Carol", "credit": 20}},
        201,
    )
    assert log_in(client, "carol@example.com").status_code == 200


@pytest.mark.parametrize(
    "given", [{"email": "dave@example.com"}, {}], ids=["another e-mail", "no e-mail"]
)
def test_a_username_holds_no_at_otherwise(admin, books, given):
    body = {name: value for name, value in BODY.items() if name != "email"}
    before = books()

    invalid(
        admin.post("/v1/user", json={**body, "username": "carol@example.com", **given}), "username"
    )
    assert books() == before


@pytest.mark.parametrize("username", ["carol", "CAROL", " carol "])
def test_a_username_that_is_taken_is_refused_without_case(admin, books, username):
    make_user(username="carol")
    before = books()

    refused(admin.post("/v1/user", json={**BODY, "username": username}), 409, "username_taken")
    assert books() == before


@pytest.mark.parametrize("email", ["carol@example.com", "Carol@Example.COM"])
def test_an_email_that_is_taken_is_refused_without_case(admin, books, email):
    make_user(username="dave", email="carol@example.com")
    before = books()

    refused(admin.post("/v1/user", json={**BODY, "email": email}), 409, "email_taken")
    assert books() == before


def test_a_company_may_have_the_same_email(admin):
    accounts.create_company(name="Shop", email="carol@example.com", password=PASSWORD)

    assert admin.post("/v1/user", json=BODY).status_code == 201


@pytest.mark.parametrize(("field", "value"), [("credit", -1), ("role", "administrator")])
def test_a_field_that_is_wrong_or_unknown_is_refused(admin, books, field, value):
    before = books()

    invalid(admin.post("/v1/user", json={**BODY, field: value}), field)
    assert books() == before


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "malformed_request"),
        (b"{", "malformed_request"),
        (b"[]", "validation_error"),
        (b"null", "validation_error"),
    ],
)
def test_what_is_no_object_is_refused(admin, books, body, name):
    before = books()

    refused(admin.post("/v1/user", data=body), 400, name)
    assert books() == before


def test_without_a_token_and_without_the_role_nothing_is_looked_at(client, alice, books):
    before = books()

    for options in ({"json": BODY}, {"data": b"{"}):
        refused(client.post("/v1/user", **options), 401, "authentication_required")
        refused(alice.post("/v1/user", **options), 403, "permission_denied")
    assert books() == before
