"""Accounts in parallel: an e-mail address belongs to one, and a reset link works once."""

from collections import Counter

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.identity import password_reset
from coupon_management_flask.models import Account, LoginSession, PasswordReset, Wallet

from ..support.people import PASSWORD
from .clients import Request

pytestmark = pytest.mark.server

REGISTER = "/api/auth/register/"
CONFIRM = "/api/auth/password-reset-confirm/"
LOGIN = "/api/auth/login/"


def said(answers):
    """Count the answers by status and, for a 400, by the fields that were wrong."""
    return Counter(
        (
            answer.status_code,
            *sorted(
                answer.json.keys() - {"error_code", "message"} if answer.status_code == 400 else []
            ),
        )
        for answer in answers
    )


def test_of_twenty_registrations_of_one_email_at_once_one_succeeds(track):
    somebody = track.user()
    bodies = [
        {
            "email": "race@example.com" if number % 2 else "RACE@example.com",
            "password": PASSWORD,
            "password_confirm": PASSWORD,
            "first_name": "Some",
            "last_name": "One",
            **({} if number % 3 else {"username": f"racer{number}"}),
        }
        for number in range(20)
    ]

    answers = track.at_once(Request("POST", REGISTER, body) for body in bodies)

    assert said(answers) == {(201,): 1, (400, "email"): 19}
    (winner,) = [answer.json["user"]["id"] for answer in answers if answer.status_code == 201]
    # Ids sort by time of creation.
    for column in (Account.id, Wallet.account_id, LoginSession.account_id):
        assert [
            str(found)
            for found in db.session.scalars(sa.select(column).where(column > somebody.id))
        ] == [winner]


def test_of_ten_confirmations_of_one_token_at_once_one_sets_its_password(track):
    user = track.user(email="reset@example.com")
    token = password_reset.open_link("reset@example.com").token
    passwords = [f"new horse {number} of ten" for number in range(10)]

    answers = track.at_once(
        Request("POST", CONFIRM, {"token": token, "password": each, "password_confirm": each})
        for each in passwords
    )

    assert said(answers) == {(200,): 1, (400, "token"): 9}
    (winner,) = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    signed_in = track.at_once(
        Request("POST", LOGIN, {"email": "reset@example.com", "password": each})
        for each in [*passwords, PASSWORD]
    )
    assert [number for number, answer in enumerate(signed_in) if answer.status_code == 200] == [
        winner
    ]
    assert (
        db.session.scalar(
            sa.select(sa.func.count())
            .select_from(PasswordReset)
            .where(PasswordReset.account_id == user.id)
        )
        == 0
    )
    assert track.send(user.request("GET", "/api/users/profile/")).status_code == 401


def test_of_ten_changes_of_one_old_password_at_once_one_succeeds_and_its_session_alone_stands(
    track,
):
    user = track.user(email="change@example.com")
    logins = track.at_once(
        [Request("POST", LOGIN, {"email": "change@example.com", "password": PASSWORD})] * 10
    )
    tokens = [answer.json["access"] for answer in logins]
    passwords = [f"new horse {number} of ten" for number in range(10)]

    answers = track.at_once(
        user.request(
            "POST",
            "/api/users/change-password/",
            {"old_password": PASSWORD, "new_password": each, "confirm_password": each},
            token=token,
        )
        for each, token in zip(passwords, tokens, strict=True)
    )

    (winner,) = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    # The others had a session that was over or an old password that was no longer valid.
    assert set(said(answers)) <= {(200,), (400, "old_password"), (401,)}
    looks = track.at_once(
        user.request("GET", "/api/users/profile/", token=token) for token in tokens
    )
    assert [number for number, answer in enumerate(looks) if answer.status_code == 200] == [winner]
    signed_in = track.at_once(
        Request("POST", LOGIN, {"email": "change@example.com", "password": each})
        for each in passwords
    )
    assert [number for number, answer in enumerate(signed_in) if answer.status_code == 200] == [
        winner
    ]
