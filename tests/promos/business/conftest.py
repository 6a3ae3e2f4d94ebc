"""The two companies of these tests."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from ...support.books import Books
from ...support.promos import Caller, new_company, read_promo_books


@pytest.fixture
def company(client: FlaskClient) -> Caller:
    return new_company(client)


@pytest.fixture
def rival(client: FlaskClient) -> Caller:
    """Another company, which must not see or touch what is the first one's."""
    return new_company(client, name="Rival Shop")


@pytest.fixture
def books(books: Callable[[], Books]) -> Callable[[], Books]:
    """Read the books, with promos and what hangs on them."""
    return read_promo_books
