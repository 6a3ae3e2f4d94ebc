"""GET and POST /v1/auth/token/refresh."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import Account

from ..support.envelope import refused
from ..support.people import PASSWORD, sign_in

pytestmark = pytest.mark.both_databases

REFRESH = "/v1/auth/token/refresh"

either_method = pytest.mark.parametrize("method", ["GET", "POST"])


@pytest.fixture
def call(client):
    """Send a token as the bearer's."""
    return lambda path, token, method="GET", **options: client.open(
        path, method=method, headers={"Authorization": f"Bearer {token}"}, **options
    )


@pytest.fixture
def dead(call):
    """Return whether an access token and a refresh token are both refused."""

    def look(access_token, refresh_token):
        refused(call("/v1/coupons", access_token), 401, "invalid_token")
        refused(call(REFRESH, refresh_token), 401, "invalid_token")
        return True

    return look


@either_method
def test_a_refresh_token_is_exchanged_for_a_new_pair_in_a_bare_body(alice, call, method):
    answer = call(REFRESH, alice.refresh_token, method)

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    new = answer.json
    assert new == {"access_token": new["access_token"], "refresh_token": new["refresh_token"]}
    assert new["refresh_token"] not in (alice.refresh_token, alice.access_token)
    assert call("/v1/coupons", new["access_token"]).status_code == 200
    assert call(REFRESH, new["refresh_token"], method).status_code == 200


def test_the_access_token_from_before_lives_on(alice, call):
    call(REFRESH, alice.refresh_token)

    assert alice.get("/v1/coupons").status_code == 200


@either_method
@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_using_a_refresh_token_again_ends_the_whole_family(alice, call, dead, method, rotations):
    pairs = [{"access_token": alice.access_token, "refresh_token": alice.refresh_token}]
    for _ in range(rotations):
        pairs.append(call(REFRESH, pairs[-1]["refresh_token"]).json)
    assert call("/v1/coupons", pairs[-1]["access_token"]).status_code == 200

    refused(call(REFRESH, alice.refresh_token, method), 401, "invalid_token")

    for pair in pairs:
        assert dead(**pair)


def test_a_family_that_ends_takes_no_other_with_it(alice, bob, client, call):
    other = sign_in(client, alice.id, "alice")
    call(REFRESH, alice.refresh_token)
    refused(call(REFRESH, alice.refresh_token), 401, "invalid_token")

    assert other.get("/v1/coupons").status_code == 200
    assert call(REFRESH, other.refresh_token).status_code == 200
    assert call(REFRESH, bob.refresh_token).status_code == 200


def test_of_two_at_once_one_is_answered_and_the_family_ends(app, alice, dead):
    start = Barrier(2)

    def refresh(_):
        client = app.test_client()
        start.wait(timeout=20)
        return client.get(REFRESH, headers={"Authorization": f"Bearer {alice.refresh_token}"})

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(refresh, range(2)))

    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert won.status_code == 200
    refused(lost, 401, "invalid_token")
    assert dead(**won.json)
    assert dead(alice.access_token, alice.refresh_token)


def test_each_refresh_gives_another_7_days(alice, client, call, monkeypatch):
    now = clock.now()
    # Signatures of tokens go by the real time. The session ends by the service's clock.
    monkeypatch.setattr(clock, "now", lambda: now - timedelta(days=6))
    token = sign_in(client, alice.id, "alice").refresh_token
    monkeypatch.setattr(clock, "now", lambda: now)
    token = call(REFRESH, token).json["refresh_token"]
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=6, hours=23))

    assert call(REFRESH, token).status_code == 200


@either_method
def test_without_a_token_one_is_asked_for(client, method):
    refused(client.open(REFRESH, method=method), 401, "authentication_required")


@either_method
def test_an_access_token_is_refused_and_nothing_ends(alice, call, method):
    refused(call(REFRESH, alice.access_token, method), 401, "invalid_token")

    assert call(REFRESH, alice.refresh_token).status_code == 200


def test_a_token_whose_signature_was_changed_is_refused_and_nothing_ends(alice, call):
    header, claims, signature = alice.refresh_token.split(".")

    refused(call(REFRESH, f"{header}.{claims}.{signature[::-1]}"), 401, "invalid_token")

    assert call(REFRESH, alice.refresh_token).status_code == 200


def test_a_disabled_account_gets_no_new_tokens(alice, call):
    with transaction():
        db.session.execute(sa.update(Account).where(Account.id == alice.id).values(is_active=False))

    refused(call(REFRESH, alice.refresh_token), 401, "invalid_token")


@pytest.mark.parametrize("body", [b"{", b"[]", f'{{"password": "{PASSWORD}"}}'.encode()])
def test_a_body_is_ignored(alice, call, body):
    assert call(REFRESH, alice.refresh_token, "POST", data=body).status_code == 200
