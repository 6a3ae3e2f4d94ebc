"""People and things that tests need, made through the same functions as in the service."""

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient

from coupon_management_flask.core import clock, stock
from coupon_management_flask.credit_coupons import coupons
from coupon_management_flask.identity import accounts
from coupon_management_flask.models import RedemptionKind, new_id

from .speaker import Speaker

PASSWORD = "correct horse 1"
_numbers = count(1)


@dataclass
class Person(Speaker):
    """Somebody who is signed in and speaks HTTP."""

    id: UUID
    username: str
    client: FlaskClient
    access_token: str
    refresh_token: str
    headers: dict[str, str] = field(default_factory=dict)

    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


def make_user(*, credit: int = 0, role: str = "user", **given: Any) -> tuple[UUID, str]:
    """Create a user and return id and name. Needs an application context."""
    username = given.pop("username", f"user-{next(_numbers)}")
    return accounts.create_user(
        username=username,
        password=PASSWORD,
        name=given.pop("name", "Some One"),
        credit=credit,
        role=role,
        **given,
    ), username


def sign_in(client: FlaskClient, account_id: UUID, username: str) -> Person:
    answer = client.post("/v1/auth/login", json={"username": username, "password": PASSWORD})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return Person(
        account_id, username, client, answer.json["access_token"], answer.json["refresh_token"]
    )


_claimings: dict[int, stock.Claiming] = {}


def claim(stock_id: UUID, account_id: UUID, *, only_if: Any = None, **given: Any) -> stock.Claimed:
    """Claim a unit, by default repeatably. Needs an open transaction."""
    claiming = _claimings.setdefault(
        id(only_if),
        stock.Claiming(
            RedemptionKind.PROMO,
            f"test_{id(only_if)}",
            only_if=() if only_if is None else [only_if],
        ),
    )
    redemption_id = new_id()
    values = {
        "claim_key": stock.repeatable_key(account_id, redemption_id),
        "redemption_id": redemption_id,
        **given,
    }
    return claiming.claim(stock_id, account_id=account_id, **values)


def make_coupon(**given: Any) -> Any:
    """Create a coupon, by default a usable one. Needs an application context.

    Returns its row, with `id`, `hidden_code`, `stock_id` and more.
    """
    number = next(_numbers)
    values = {
        "name": f"coupon {number}",
        "value": 30,
        "hidden_code": f"CODE-{number}",
        "number_left": 5,
        "expiration_date": clock.now() + timedelta(days=1),
        "is_active": given.pop("active", True),
        **given,
    }
    return coupons.create_coupon(**values)
