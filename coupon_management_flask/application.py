"""The application: what it is made of, in the order in which it is put together."""

from typing import Any

from flask import Flask
from flask_migrate import Migrate

from . import (
    analytics,
    auth,
    cli,
    credit_coupons,
    discount_coupons,
    email_coupons,
    health,
    payments,
    promos,
    vouchers,
)
from .admin import console as admin_console
from .admin import errors as admin_errors
from .config import ROOT, Settings, load_settings
from .db import engines
from .db.session import db
from .identity import passwords
from .messaging.mail import sender
from .payments import gateway
from .promos.antifraud.check import Antifraud
from .tasks import jobs
from .web import contract, guard, mailbox, observability, openapi, rates, security
from .web.json import OrjsonProvider

# The API description lists contracts, and in each the features' routes, in these orders.
CONTRACTS = (
    credit_coupons.CONTRACT,
    promos.CONTRACT,
    discount_coupons.CONTRACT,
    email_coupons.CONTRACT,
    vouchers.CONTRACT,
)
FEATURES = (
    health.FEATURE,
    auth.FEATURE,
    credit_coupons.FEATURE,
    promos.FEATURE,
    discount_coupons.FEATURE,
    email_coupons.FEATURE,
    payments.FEATURE,
    vouchers.FEATURE,
    analytics.FEATURE,
)


def create_app(settings: Settings | None = None, **overrides: Any) -> Flask:
    """Make the application for these settings.

    Without settings it reads application.yml and the environment, with `overrides` on top.

    Raises:
        ConfigurationError: A setting is not valid; the error is a sentence for the operator.
    """
    settings = settings or load_settings(**overrides)
    app = Flask(__name__, static_folder=None, instance_path=str(ROOT / "instance"))
    app.extensions["settings"] = settings
    app.extensions["background"] = jobs.BACKGROUND
    app.config["SECRET_KEY"] = settings.secret_key
    app.json = OrjsonProvider(app)

    observability.init_app(app, settings)
    security.init_app(app, settings)
    rates.init_app(app, settings)
    guard.init_app(app, settings)
    sender.init_app(app, settings)
    passwords.configure(settings.password_hash_memory_kib, settings.password_hash_rounds)

    engines.init_app(app, settings.database_url)
    Migrate(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)

    app.extensions["antifraud"] = Antifraud(
        settings.antifraud_address,
        settings.redis_url,
        settings.antifraud_max_per_minute,
        connect_seconds=settings.antifraud_connect_seconds,
        answer_seconds=settings.antifraud_answer_seconds,
    )
    gateway.init_app(app, settings)

    contracts = (*CONTRACTS, admin_errors.CONTRACT)
    contract.init_app(app, contracts, FEATURES, elsewhere=promos.CONTRACT.name)
    document = openapi.init_app(app, settings)
    for routes in contract.blueprints(CONTRACTS, FEATURES):
        document.add(routes)
    for pages in contract.pages(FEATURES):
        app.register_blueprint(pages)
    admin_console.init_app(app)
    if not settings.is_production:
        app.register_blueprint(mailbox.pages)

    cli.init_app(app)
    return app
