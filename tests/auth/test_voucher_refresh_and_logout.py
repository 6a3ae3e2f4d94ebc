"""POST /api/auth/token/refresh/ and /api/auth/logout/, with the refresh token in the body."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import Account

from ..support.people import make_user
from ..support.people import sign_in as sign_in_elsewhere
from ..support.promos import new_company
from .conftest import invalid, refused

REFRESH = "/api/auth/token/refresh/"
LOGOUT = "/api/auth/logout/"

either = pytest.mark.parametrize("path", [REFRESH, LOGOUT], ids=["refresh", "logout"])


@pytest.fixture
def call(client):
    return lambda path, token, **options: client.post(path, json={"refresh": token}, **options)


def test_a_refresh_token_is_exchanged_for_a_new_pair(member, client, call):
    answer = call(REFRESH, member.refresh)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    new = answer.json
    assert sorted(new) == ["access", "refresh"]
    assert new["refresh"] != member.refresh
    assert (
        client.get(
            "/api/users/profile/", headers={"Authorization": f"Bearer {new['access']}"}
        ).status_code
        == 200
    )
    assert call(REFRESH, new["refresh"]).status_code == 200


def test_using_a_refresh_token_again_ends_the_family_and_no_other(member, sign_in, call):
    other = sign_in()
    new = call(REFRESH, member.refresh).json

    refused(call(REFRESH, member.refresh), 401, "invalid_token")

    refused(member.request("GET", "/api/users/profile/"), 401, "invalid_token")
    refused(call(REFRESH, new["refresh"]), 401, "invalid_token")
    assert other.stands() == (True, True)


@pytest.mark.parametrize("spent", [False, True], ids=["live", "spent"])
def test_logging_out_ends_the_family_and_no_other(member, sign_in, call, spent):
    other = sign_in()
    new = call(REFRESH, member.refresh).json

    for _ in range(2):
        answer = call(LOGOUT, member.refresh if spent else new["refresh"])
        # Once more does no harm: a client that got no answer asks again.
        assert (answer.status_code, list(answer.json)) == (200, ["message"])

    refused(member.request("GET", "/api/users/profile/"), 401, "invalid_token")
    for token in (new["refresh"], member.refresh):
        refused(call(REFRESH, token), 401, "invalid_token")
    assert other.stands() == (True, True)


def test_tokens_of_the_credit_contract_are_as_good(app, client, call):
    alice = sign_in_elsewhere(client, *make_user(username="alice"))

    new = call(REFRESH, alice.refresh_token).json
    assert (
        client.get("/v1/coupons", headers={"Authorization": f"Bearer {new['access']}"}).status_code
        == 200
    )
    assert call(LOGOUT, new["refresh"]).status_code == 200
    refused(
        client.get("/api/users/profile/", headers={"Authorization": f"Bearer {new['access']}"}),
        401,
        "invalid_token",
    )


def test_and_its_own_are_as_good_there(member, client):
    answer = client.post(
        "/v1/auth/token/refresh", headers={"Authorization": f"Bearer {member.refresh}"}
    )

    assert answer.status_code == 200
    refused(client.post(REFRESH, json={"refresh": member.refresh}), 401, "invalid_token")


@either
def test_what_is_no_refresh_token_of_a_user_is_refused_and_ends_nothing(member, client, call, path):
    company = new_company(client).token
    header, payload, _ = member.refresh.split(".")

    for token in (
        "",
        "nonsense",
        "a.b.c",
        "ä.ö.ü",
        member.access,
        company,
        f"{header}.{payload}.",
        f"{member.refresh}x",
    ):
        refused(call(path, token), 401, "invalid_token")
    assert member.stands() == (True, True)


@either
def test_a_token_of_a_disabled_account_is_refused(member, call, path):
    with transaction():
        db.session.execute(sa.update(Account).values(is_active=False))

    refused(call(path, member.refresh), 401, "invalid_token")


@either
def test_a_token_ends_after_seven_days(member, call, path, monkeypatch):
    later = clock.now() + timedelta(days=7, seconds=2)
    monkeypatch.setattr(clock, "now", lambda: later)

    refused(call(path, member.refresh), 401, "invalid_token")


@either
def test_a_body_that_is_wrong_is_refused_and_ends_nothing(member, client, path):
    invalid(client.post(path, json={"refresh": 1}), "refresh")
    assert invalid(client.post(path, json={}), "refresh") == {
        "refresh": ["This field is required."]
    }
    invalid(client.post(path, json={"refresh": member.refresh, "everywhere": True}), "everywhere")
    # Here the token belongs in the body.
    invalid(
        client.post(path, json={}, headers={"Authorization": f"Bearer {member.refresh}"}), "refresh"
    )
    assert member.stands() == (True, True)


def test_the_idempotency_key_is_ignored(member, call):
    first = call(REFRESH, member.refresh, headers={"Idempotency-Key": "7f1c"})
    again = call(REFRESH, member.refresh, headers={"Idempotency-Key": "7f1c"})

    assert first.status_code == 200
    refused(again, 401, "invalid_token")
