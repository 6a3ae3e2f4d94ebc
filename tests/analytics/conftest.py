"""People and shops to make figures with, and a way to have them summed up at once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from coupon_management_flask.analytics.figures import rollup
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import EmailCoupon, new_id

from ..support.discounts import Shop, new_shop
from ..support.people import Person

DASHBOARD = "/api/analytics/dashboard/"
EXPORT = "/api/analytics/export.csv"


@pytest.fixture
def shop(client: FlaskClient) -> Shop:
    return new_shop(client, service="shop")


@pytest.fixture
def buyer(person: Callable[..., Person]) -> Person:
    """Somebody who can afford vouchers."""
    return person(username="buyer", name="Buyer", credit=100_000)


@pytest.fixture
def dashboard(admin: Person) -> Callable[..., Any]:
    """Read what a person sees: an administrator, unless told otherwise."""

    def read(who: Person | None = None, days: int = 30) -> Any:
        answer = (who or admin).get(f"{DASHBOARD}?days={days}")
        assert answer.status_code == 200, answer.text
        return answer.json

    return read


@pytest.fixture
def sum_up(app: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Sum up all that there is, without waiting for transactions that may still commit."""

    def roll_up() -> int:
        with monkeypatch.context() as patched:
            patched.setattr(rollup, "MARGIN", timedelta(seconds=-1))
            return rollup.roll_up()

    return roll_up


@pytest.fixture
def mail_coupon() -> Callable[..., None]:
    """Make a discount coupon one that was given for an e-mail address."""

    def make(coupon: Any, website: str = "tea.example") -> None:
        row = {
            "email": f"{coupon['code']}@example.com",
            "website": website,
            "number": 1,
            "coupon_id": UUID(coupon["id"]),
            "message_id": new_id(),
        }
        with transaction():
            db.session.add(EmailCoupon(**row, created_at=clock.now()))

    return make
