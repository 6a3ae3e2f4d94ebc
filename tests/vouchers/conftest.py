"""An administrator who sells vouchers, people who buy them, and a shop with discount codes."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ..support.discounts import Shop, new_shop
from ..support.people import Person
from ..support.vouchers import read_voucher_books, sell


@pytest.fixture
def carol(person: Callable[..., Person]) -> Person:
    """A user with 10,000 credits, worth 100.00."""
    return person(username="carol", credit=10_000)


@pytest.fixture
def kind(admin: Person) -> Any:
    """A voucher type of 10.00 with one use."""
    return sell(admin)


@pytest.fixture
def shop(client: FlaskClient) -> Shop:
    return new_shop(client)


@pytest.fixture
def voucher_books(app: Flask) -> Callable[[], dict[str, Any]]:
    return read_voucher_books
