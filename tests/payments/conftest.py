"""A service that speaks to the stand-in of Stripe, people who pay there, and what is on sale."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe as sdk
from flask import Flask

from coupon_management_flask import create_app
from coupon_management_flask.models import (
    LedgerEntry,
    OrderRedemption,
    PaymentDebt,
    PaymentTransaction,
    Redemption,
    Stock,
    Voucher,
    VoucherPurchase,
    Wallet,
)

from ..conftest import dispose_engines, settings_for
from ..support.books import rows_of
from ..support.discounts import Shop, new_shop
from ..support.payments import Buyer, make_voucher_type
from ..support.people import Person
from ..support.stripe import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, Stripe, running_stripe
from ..vouchers.conftest import carol, kind, voucher_books  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def stripe_server() -> Iterator[Stripe]:
    with running_stripe() as stripe:
        yield stripe


@pytest.fixture(scope="session")
def stripe_settings(stripe_server: Stripe) -> dict[str, Any]:
    return {
        "stripe_api_base": stripe_server.url,
        "stripe_secret_key": SECRET_KEY,
        "stripe_publishable_key": PUBLISHABLE_KEY,
        "stripe_webhook_secret": WEBHOOK_SECRET,
    }


@pytest.fixture(scope="session")
def shared_app(database_url: str, stripe_settings: dict[str, Any]) -> Iterator[Flask]:
    app = create_app(settings_for(database_url, **stripe_settings))
    yield app
    with app.app_context():
        dispose_engines()


@pytest.fixture
def stripe(stripe_server: Stripe, monkeypatch: pytest.MonkeyPatch) -> Stripe:
    """Stripe as it is on a good day."""
    # A failed request is tried again at once.
    monkeypatch.setattr(sdk.HTTPClient, "INITIAL_DELAY", 0)
    stripe_server.forget()
    return stripe_server


@pytest.fixture
def buyer(alice: Person, stripe: Stripe) -> Buyer:
    """Alice, who pays by card."""
    return Buyer(alice, stripe)


@pytest.fixture
def other(bob: Person, stripe: Stripe) -> Buyer:
    return Buyer(bob, stripe)


@pytest.fixture
def exam(app: Flask) -> dict[str, Any]:
    """A voucher of one use for 10.00 USD."""
    return make_voucher_type()


@pytest.fixture
def shop(client: Any) -> Shop:
    """Whoever makes discounts."""
    return new_shop(client)


@pytest.fixture
def payment_books(app: Flask) -> Callable[[], dict[str, Any]]:
    """Everything that a refusal must leave as it was."""
    models = (
        LedgerEntry,
        OrderRedemption,
        PaymentDebt,
        PaymentTransaction,
        Redemption,
        Stock,
        Voucher,
        VoucherPurchase,
        Wallet,
    )

    return lambda: rows_of(*models)
