"""Companies, users and promos of the promo contract, made as its clients make them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db
from coupon_management_flask.models import (
    CompanyPromoCount,
    FeedCount,
    FeedEntry,
    Promo,
    PromoComment,
    PromoCounter,
    PromoCountryCount,
    PromoLike,
    PromoValue,
)

from .books import Books, read_books
from .speaker import Speaker

PASSWORD = "Correct@horse1"
_numbers = count(1)


@dataclass
class Caller(Speaker):
    """A company or a user that is signed in and speaks HTTP.

    Only companies have an `id`: users are never told theirs.
    """

    client: FlaskClient
    token: str
    email: str
    password: str
    id: str = ""

    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def company_body(**overrides: Any) -> dict[str, Any]:
    return {
        "name": "Corner Shop",
        "email": f"shop-{next(_numbers)}@example.com",
        "password": PASSWORD,
        **overrides,
    }


def user_body(**overrides: Any) -> dict[str, Any]:
    body = {
        "name": "Alice",
        "surname": "Example",
        "email": f"user-{next(_numbers)}@example.com",
        "password": PASSWORD,
        "other": {"age": 30, "country": "de"},
    }
    return {**body, **overrides}


def new_company(client: FlaskClient, **overrides: Any) -> Caller:
    return _sign_up(client, "/api/business/auth/sign-up", company_body(**overrides))


def new_user(client: FlaskClient, **overrides: Any) -> Caller:
    return _sign_up(client, "/api/user/auth/sign-up", user_body(**overrides))


def _sign_up(client: FlaskClient, path: str, body: dict[str, Any]) -> Caller:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return Caller(
        client,
        answer.json["token"],
        body["email"],
        body["password"],
        answer.json.get("company_id", ""),
    )


def promo_body(**overrides: Any) -> dict[str, Any]:
    """Make a promo for everybody, without an end.

    With `mode="UNIQUE"` it has values and a max_count to match, unless they are given.
    """
    body: dict[str, Any] = {
        "description": "Ten per cent off all tea",
        "target": {},
        "mode": "COMMON",
    }
    if overrides.get("mode") == "UNIQUE":
        body |= {"max_count": 1, "promo_unique": ["first", "second", "third"]}
    else:
        body |= {"max_count": 10, "promo_common": "tea-10"}
    return body | overrides


def publish(company: Caller, **overrides: Any) -> str:
    """Publish a promo and return its id."""
    answer = company.post("/api/business/promo", json=promo_body(**overrides))
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return str(answer.json["id"])


def activate(user: Caller, promo_id: str) -> str:
    """Activate a promo and return the value that the user got."""
    answer = user.post(f"/api/user/promo/{promo_id}/activate")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return str(answer.json["promo"])


def stop_clock(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Stop the clock at that moment, such as `2025-03-01T23:59:59Z`.

    It must be in the past, because tokens are checked against the real time too.
    """
    stopped = datetime.fromisoformat(moment).astimezone(UTC)
    monkeypatch.setattr(clock, "now", lambda: stopped)


def read_promo_books() -> Books:
    """Read all rows that a refusal by this contract must leave as they were."""
    models = (
        Promo,
        PromoValue,
        PromoCounter,
        PromoLike,
        PromoComment,
        PromoCountryCount,
        CompanyPromoCount,
        FeedEntry,
        FeedCount,
    )
    return read_books() | {
        model.__tablename__: [
            tuple(row)
            for row in db.session.execute(
                sa.select(model.__table__).order_by(*model.__table__.primary_key)
            )
        ]
        for model in models
    }


def assert_refused(
    answer: TestResponse,
    status: int,
    error_code: str,
    *,
    about: str | None = None,
    given: object = "",
) -> None:
    """Check that an answer is this refusal, in this contract's body.

    With `about`, the message must name that field (`target.age_from`). `given` is shown if the
    check fails.
    """
    assert answer.status_code == status, f"{given!r}: {answer.get_data(as_text=True)}"
    message = answer.json["message"]
    assert answer.json == {"status": "error", "message": message, "error_code": error_code}
    assert message
    assert isinstance(message, str)
    if about is not None:
        assert message.startswith(f"{about}: "), f"{given!r}: {message}"


def assert_invalid(answer: TestResponse, about: str | None = None, given: object = "") -> None:
    assert_refused(answer, 400, "validation_error", about=about, given=given)
