"""What holds on every path of the user side.

Whose tokens are taken, what comes before what, and promos that do not exist.
"""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import api_keys
from coupon_management_flask.models import Account

from ...support.people import make_user
from ...support.people import sign_in as sign_in_elsewhere
from ...support.promos import PASSWORD, publish
from .shapes import bearer, refusal

TEXT = {"text": "A comment of some length."}
PROMO_ROUTES = [
    ("GET", "/api/user/promo/{promo}", None),
    ("POST", "/api/user/promo/{promo}/like", None),
    ("DELETE", "/api/user/promo/{promo}/like", None),
    ("POST", "/api/user/promo/{promo}/comments", TEXT),
    ("GET", "/api/user/promo/{promo}/comments", None),
    ("GET", "/api/user/promo/{promo}/comments/{comment}", None),
    ("PUT", "/api/user/promo/{promo}/comments/{comment}", TEXT),
    ("DELETE", "/api/user/promo/{promo}/comments/{comment}", None),
    ("POST", "/api/user/promo/{promo}/activate", None),
]
COMMENT_ROUTES = [route for route in PROMO_ROUTES if "{comment}" in route[1]]
ROUTES = [
    ("GET", "/api/user/profile", None),
    ("PATCH", "/api/user/profile", {"name": "New"}),
    ("GET", "/api/user/feed", None),
    ("GET", "/api/user/promo/history", None),
    *PROMO_ROUTES,
]


@pytest.fixture
def promo(company):
    return publish(company)


@pytest.fixture
def comment(promo, alice):
    return alice.post(f"/api/user/promo/{promo}/comments", json=TEXT).json["id"]


def company_token(company, **_):
    return bearer(company.token)


def earlier_token(alice, client, **_):
    client.post("/api/user/auth/sign-in", json={"email": "alice@example.com", "password": PASSWORD})
    return bearer(alice.token)


def refresh_token(client, **_):
    return bearer(sign_in_elsewhere(client, *make_user(username="eve")).refresh_token)


def logged_out_token(client, **_):
    person = sign_in_elsewhere(client, *make_user(username="eve"))
    person.post("/v1/auth/logout")
    return bearer(person.access_token)


def disabled_accounts_token(alice, **_):
    with transaction():
        db.session.execute(
            sa.update(Account).where(Account.email == "alice@example.com").values(is_active=False)
        )
    return bearer(alice.token)


def foreign_signature(alice, **_):
    head, claims, signature = alice.token.split(".")
    return bearer(f"{head}.{claims}.{signature[::-1]}")


def api_key(app, **_):
    return {"X-API-Key": api_keys.create_api_key("shop", ["getCoupons"], timedelta(days=1))}


HEADERS = {
    "none": lambda **_: {},
    "empty": lambda **_: {"Authorization": ""},
    "no token": lambda **_: {"Authorization": "Bearer "},
    "garbage": lambda **_: bearer("garbage"),
    "another scheme": lambda alice, **_: {"Authorization": f"Basic {alice.token}"},
    "no scheme": lambda alice, **_: {"Authorization": alice.token},
    "company": company_token,
    "earlier": earlier_token,
    "refresh token": refresh_token,
    "logged out": logged_out_token,
    "disabled": disabled_accounts_token,
    "another signature": foreign_signature,
    "API key": api_key,
}


def statuses(client, routes, headers=None, **ids):
    answers = {
        (method, path): client.open(
            path.format(**ids), method=method, json=body, headers=headers or {}
        )
        for method, path, body in routes
    }
    return {route: refusal(answer)[0] for route, answer in answers.items()}


@pytest.mark.parametrize("made", HEADERS)
def test_without_a_live_token_of_a_user_nothing_is_answered(
    made, app, client, company, alice, promo, comment, books
):
    headers = HEADERS[made](app=app, client=client, company=company, alice=alice)
    before = books()

    found = statuses(client, ROUTES, headers, promo=promo, comment=comment)

    assert found == {(method, path): 401 for method, path, _ in ROUTES}
    assert books() == before


def test_the_token_comes_before_path_query_and_body(client, alice, books):
    before = books()

    answers = [
        client.get("/api/user/feed?limit=x"),
        client.get("/api/user/promo/7"),
        client.post("/api/user/promo/7/comments", data=b"{"),
        client.patch("/api/user/profile", data=b"{"),
    ]

    assert [refusal(answer) for answer in answers] == [(401, "authentication_required")] * 4
    assert books() == before


def test_a_token_of_the_credit_contract_is_as_good(app, client, promo):
    person = sign_in_elsewhere(client, *make_user(username="eve"))

    comment = person.post(f"/api/user/promo/{promo}/comments", json=TEXT).json["id"]

    answers = [
        person.request(method, path.format(promo=promo, comment=comment), json=body)
        for method, path, body in ROUTES
    ]
    assert [answer.status_code for answer in answers] == [
        201 if path.endswith("comments") and method == "POST" else 200 for method, path, _ in ROUTES
    ]


def test_a_token_of_this_contract_is_as_good_at_the_credit_contract(alice):
    assert alice.get("/v1/coupons").status_code == 200


def test_a_promo_that_does_not_exist_is_not_found(alice, client, promo, comment, books):
    before = books()

    found = statuses(client, PROMO_ROUTES, bearer(alice.token), promo=uuid4(), comment=comment)

    assert found == {(method, path): 404 for method, path, _ in PROMO_ROUTES}
    assert books() == before


@pytest.mark.parametrize(
    "bad",
    [
        "7",
        "histories",
        "0" * 32,
        "019aa5a4-5e3b-7b7e-8d5b-6d1a3c9f0b1",
        "019aa5a4-5e3b-7b7e-8d5b-6d1a3c9f0b1g",
        "%00",
    ],
)
def test_an_id_that_is_no_uuid_is_refused(bad, alice, client, promo, comment, books):
    before = books()

    as_promo = statuses(client, PROMO_ROUTES, bearer(alice.token), promo=bad, comment=comment)
    as_comment = statuses(client, COMMENT_ROUTES, bearer(alice.token), promo=promo, comment=bad)

    assert as_promo == {(method, path): 400 for method, path, _ in PROMO_ROUTES}
    assert as_comment == {(method, path): 400 for method, path, _ in COMMENT_ROUTES}
    assert books() == before


def test_the_shape_of_a_body_comes_before_whether_the_promo_exists(alice, comment, books):
    before = books()

    assert refusal(alice.post(f"/api/user/promo/{uuid4()}/comments", json={"text": "short"})) == (
        400,
        "validation_error",
    )
    assert refusal(alice.put(f"/api/user/promo/{uuid4()}/comments/{comment}", json={})) == (
        400,
        "validation_error",
    )
    assert refusal(alice.get(f"/api/user/promo/{uuid4()}/comments?limit=-1")) == (
        400,
        "validation_error",
    )
    assert books() == before


def test_an_id_is_the_same_in_capitals(alice, promo):
    assert alice.get(f"/api/user/promo/{promo.upper()}").json["promo_id"] == promo
