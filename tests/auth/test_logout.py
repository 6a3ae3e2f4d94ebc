"""POST /v1/auth/logout."""

import pytest

from ..support.envelope import ok, refused
from ..support.people import sign_in

LOGOUT = "/v1/auth/logout"
REFRESH = "/v1/auth/token/refresh"


@pytest.fixture
def call(client):
    """Send a token as the bearer's."""
    return lambda path, token, method="GET", **options: client.open(
        path, method=method, headers={"Authorization": f"Bearer {token}"}, **options
    )


@pytest.mark.parametrize("with_token", ["access_token", "refresh_token"])
def test_the_whole_family_is_dead_with_the_next_request(alice, call, with_token):
    new = call(REFRESH, alice.refresh_token).json

    ok(call(LOGOUT, new[with_token], "POST"), {})

    for access_token in (alice.access_token, new["access_token"]):
        refused(call("/v1/coupons", access_token), 401, "invalid_token")
        refused(call(LOGOUT, access_token, "POST"), 401, "invalid_token")
    for refresh_token in (alice.refresh_token, new["refresh_token"]):
        refused(call(REFRESH, refresh_token), 401, "invalid_token")
        refused(call(LOGOUT, refresh_token, "POST"), 401, "invalid_token")


def test_no_other_session_ends(alice, bob, client, call):
    other = sign_in(client, alice.id, "alice")

    ok(call(LOGOUT, alice.access_token, "POST"), {})

    assert other.get("/v1/coupons").status_code == 200
    assert bob.get("/v1/coupons").status_code == 200
    assert call(REFRESH, other.refresh_token).status_code == 200


def test_a_spent_refresh_token_is_refused_and_ends_its_family_all_the_same(alice, call):
    new = call(REFRESH, alice.refresh_token).json

    refused(call(LOGOUT, alice.refresh_token, "POST"), 401, "invalid_token")

    refused(call("/v1/coupons", new["access_token"]), 401, "invalid_token")
    refused(call(REFRESH, new["refresh_token"]), 401, "invalid_token")


def test_without_a_token_one_is_asked_for(client):
    refused(client.post(LOGOUT), 401, "authentication_required")


@pytest.mark.parametrize("token", ["nonsense", "a.b.c"])
def test_what_is_no_token_is_refused(call, token):
    refused(call(LOGOUT, token, "POST"), 401, "invalid_token")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"everywhere": true}'])
def test_a_body_is_ignored(alice, call, body):
    ok(call(LOGOUT, alice.access_token, "POST", data=body), {})
