"""POST /api/users/change-password/."""

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.identity import credentials, password_reset
from coupon_management_flask.models import PasswordReset

from ..support.people import make_user, sign_in
from ..support.promos import new_company, new_user
from .conftest import ALICE, PASSWORD, WEAK, Member, invalid, refused

PATH = "/api/users/change-password/"
NEW_PASSWORD = "new horse 1"
CHANGE = {"old_password": PASSWORD, "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}


@pytest.fixture
def statuses(client):
    """Return the statuses of signing in with the old and with the new password."""
    return lambda: [
        client.post(
            "/api/auth/login/", json={"email": ALICE["email"], "password": each}
        ).status_code
        for each in (PASSWORD, NEW_PASSWORD)
    ]


def test_the_new_password_works_and_every_session_but_the_callers_ends(
    member, sign_in, client, statuses
):
    others = [sign_in(), sign_in()]
    at_promos = client.post(
        "/api/user/auth/sign-in", json={"email": ALICE["email"], "password": PASSWORD}
    ).json["token"]

    answer = member.request("POST", PATH, CHANGE)

    assert (answer.status_code, list(answer.json)) == (200, ["message"])
    assert statuses() == [401, 200]
    assert [other.stands() for other in others] == [(False, False)] * 2
    assert (
        client.get(
            "/api/user/profile", headers={"Authorization": f"Bearer {at_promos}"}
        ).status_code
        == 401
    )
    assert member.stands() == (True, True)


def test_no_other_persons_sessions_end(member, register):
    bob = register(email="bob@example.com")

    member.request("POST", PATH, CHANGE)

    assert bob.stands() == (True, True)


def test_a_wrong_old_password_is_told_so_and_nothing_changes(member, sign_in, stored):
    other = sign_in()
    before = stored()

    for wrong in ("", PASSWORD.upper(), f"{PASSWORD} ", NEW_PASSWORD):
        invalid(member.request("POST", PATH, {**CHANGE, "old_password": wrong}), "old_password")
    assert stored() == before
    assert other.stands() == (True, True)


def test_a_new_password_that_is_weak_or_confirmed_otherwise_is_told_so(member, stored):
    before = stored()

    weak = {"new_password": WEAK[1], "confirm_password": WEAK[1]}
    invalid(member.request("POST", PATH, {**CHANGE, **weak}), "new_password")
    invalid(
        member.request("POST", PATH, {**CHANGE, "confirm_password": NEW_PASSWORD.upper()}),
        "confirm_password",
    )
    invalid(member.request("POST", PATH, {}), *CHANGE)
    invalid(member.request("POST", PATH, {**CHANGE, "email": "bob@example.com"}), "email")
    assert stored() == before


def test_wrong_old_passwords_are_guesses_like_any(configured_app):
    client = configured_app(rate_limits_enabled=True).test_client()
    alice = sign_in(client, *make_user(username="alice"))
    for _ in range(5):
        invalid(alice.post(PATH, json={**CHANGE, "old_password": "wrong horse 1"}), "old_password")
        client.post("/v1/auth/login", json={"username": "alice", "password": "wrong horse 1"})

    for body in (CHANGE, {**CHANGE, "old_password": "wrong horse 1"}):
        answer = alice.post(PATH, json=body)
        refused(answer, 429, "rate_limited")
        assert int(answer.headers["Retry-After"]) > 0
    assert (
        client.post("/v1/auth/login", json={"username": "alice", "password": PASSWORD}).status_code
        == 429
    )
    assert alice.get("/api/users/profile/").status_code == 200


def test_a_guess_counts_with_an_idempotency_key_too(configured_app):
    client = configured_app(rate_limits_enabled=True).test_client()
    alice = sign_in(client, *make_user(username="alice"))
    headers = {"Idempotency-Key": "7f1c"}
    for _ in range(10):
        invalid(
            alice.post(PATH, json={**CHANGE, "old_password": "wrong horse 1"}, headers=headers),
            "old_password",
        )

    refused(alice.post(PATH, json=CHANGE), 429, "rate_limited")


def test_a_change_with_an_idempotency_key_happens_once(member, statuses):
    first = member.request("POST", PATH, CHANGE, idempotency_key="7f1c")
    again = member.request("POST", PATH, CHANGE, idempotency_key="7f1c")

    assert (first.status_code, again.status_code, again.data) == (200, 200, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert statuses() == [401, 200]
    invalid(member.request("POST", PATH, CHANGE), "old_password")


@pytest.mark.parametrize("contract", ["voucher", "promo", "operator"])
def test_a_new_password_ends_the_link_that_could_set_one(client, contract):
    alice = new_user(client, email=ALICE["email"])
    link = password_reset.open_link(ALICE["email"])

    if contract == "voucher":
        change = {**CHANGE, "old_password": alice.password}
        assert (
            client.post(
                PATH, json=change, headers={"Authorization": f"Bearer {alice.token}"}
            ).status_code
            == 200
        )
    elif contract == "promo":
        assert (
            alice.patch("/api/user/profile", json={"password": "Another2horse?"}).status_code == 200
        )
    else:
        credentials.replace_password(ALICE["email"], NEW_PASSWORD)

    assert not password_reset.is_valid(link.token)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(PasswordReset)) == 0


def test_who_is_no_user_has_no_business_here(client, member, stored):
    company = Member(client, {}, new_company(client).token, "")
    before = stored()

    refused(client.post(PATH, json=CHANGE), 401, "authentication_required")
    refused(company.request("POST", PATH, CHANGE), 401, "invalid_token")
    assert stored() == before
