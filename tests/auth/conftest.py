"""People of the voucher contract, and the answers that they get."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from coupon_management_flask.db.session import db
from coupon_management_flask.models import (
    Account,
    LoginSession,
    OutboxMessage,
    PasswordReset,
    Wallet,
)

from ..support.refusals import refusal

PASSWORD = "correct horse 1"
PROFILE = "/api/users/profile/"
ALICE = {
    "email": "alice@example.com",
    "password": PASSWORD,
    "password_confirm": PASSWORD,
    "first_name": "Alice",
    "last_name": "Alpha",
}

# Too short, common (in any case), digits alone, too long.
WEAK = ["", "short 1", "password123", "PassWord123", "Trustno1", "8273645182736451", "x" * 129]
NOT_TEXT = [None, 1, 1.5, True, [], {}]


@dataclass
class Member:
    """Somebody who has registered or signed in here."""

    client: FlaskClient
    user: dict[str, Any]
    access: str
    refresh: str

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """`headers` are written like Python names: `idempotency_key="7f1c"`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(
            path,
            method=method,
            json=body,
            headers={"Authorization": f"Bearer {self.access}", **named},
        )

    def stands(self) -> tuple[bool, bool]:
        """Return whether its two tokens are accepted. This spends the refresh token."""
        access = self.request("GET", PROFILE).status_code == 200
        return access, self.client.post(
            "/api/auth/token/refresh/", json={"refresh": self.refresh}
        ).status_code == 200


@pytest.fixture
def register(client: FlaskClient) -> Callable[..., Member]:
    """Register Alice, or somebody else."""

    def make(**given: Any) -> Member:
        answer = client.post("/api/auth/register/", json={**ALICE, **given})
        assert answer.status_code == 201, answer.text
        return Member(client, answer.json["user"], answer.json["access"], answer.json["refresh"])

    return make


@pytest.fixture
def member(register: Callable[..., Member]) -> Member:
    """Alice."""
    return register()


@pytest.fixture
def sign_in(client: FlaskClient) -> Callable[..., Member]:
    def make(email: str = ALICE["email"], password: str = PASSWORD) -> Member:
        answer = client.post("/api/auth/login/", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return Member(client, answer.json["user"], answer.json["access"], answer.json["refresh"])

    return make


@pytest.fixture
def stored(app: Flask) -> Callable[[], list[Any]]:
    """Return all that is stored about people, to compare it before and after a refusal."""

    def read() -> list[Any]:
        tables: list[Any] = [
            model.__table__
            for model in (Account, Wallet, LoginSession, PasswordReset, OutboxMessage)
        ]
        return [
            [
                tuple(row)
                for row in db.session.execute(sa.select(table).order_by(*table.primary_key))
            ]
            for table in tables
        ]

    return read


def refused(answer: TestResponse, status: int, name: str) -> None:
    """Check for an error of that status and name, in this contract's body."""
    assert refusal(answer, "vouchers") == (status, name)


def invalid(answer: TestResponse, *fields: str) -> dict[str, list[str]]:
    """Check that exactly these fields are wrong, and return what is said about them."""
    assert answer.status_code == 400, answer.text
    body = dict(answer.json)
    assert body.pop("error_code") == "validation_error", body
    sentence = body.pop("message")
    assert sorted(body) == sorted(fields), body
    assert all(name in sentence for name in fields)
    for messages in body.values():
        assert messages
        assert all(isinstance(message, str) and message for message in messages)
    return body
