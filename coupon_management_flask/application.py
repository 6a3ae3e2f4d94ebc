"""The application: what it is made of, in the order in which it is put together."""

from typing import Any

from flask import Flask
from flask_migrate import Migrate

from . import cli
from .admin import console as admin_console
from .admin import errors as admin_errors
from .analytics import routes as analytics_routes
from .auth import credit_routes as auth_credit_routes
from .auth import promo_routes as auth_promo_routes
from .auth import reset_page as auth_reset_page
from .auth import voucher_profile_routes as auth_profile_routes
from .auth import voucher_routes as auth_voucher_routes
from .config import ROOT, Settings, load_settings
from .credit_coupons import coupon_routes, user_routes
from .credit_coupons import errors as credit_coupon_errors
from .db import engines
from .db.session import db
from .discount_coupons import errors as discount_coupon_errors
from .discount_coupons import routes as discount_coupon_routes
from .discount_coupons.bulk import routes
from .discount_coupons.webhooks import routes as webhook_routes
from .email_coupons import errors as email_coupon_errors
from .email_coupons import popup_routes
from .email_coupons import routes as email_coupon_routes
from .health import routes as health_routes
from .identity import passwords
from .messaging.mail import sender
from .payments import errors as payment_errors
from .payments import gateway as payment_gateway
from .payments import purchase_routes
from .payments import routes as payment_routes
from .promos import business_routes as promo_business_routes
from .promos import errors as promo_errors
from .promos import user_routes as promo_user_routes
from .promos.antifraud.check import Antifraud
from .tasks import jobs
from .vouchers import errors as voucher_errors
from .vouchers import routes as voucher_routes
from .vouchers import type_routes as voucher_type_routes
from .web import contract, guard, mailbox, observability, openapi, rates, security
from .web.contract import MAX_BODY, Contract
from .web.json import OrjsonProvider

CREDIT_COUPONS = Contract(
    "credit_coupons",
    ("/v1",),
    (auth_credit_routes.routes, coupon_routes.routes, user_routes.routes),
    credit_coupon_errors.render_error,
    credit_coupon_errors.MESSAGES,
)
PROMOS = Contract(
    "promos",
    ("/api/ping", "/api/business", "/api/user"),
    (
        auth_promo_routes.company_routes,
        promo_business_routes.routes,
        auth_promo_routes.user_routes,
        promo_user_routes.routes,
    ),
    promo_errors.render_error,
    promo_errors.MESSAGES,
    promo_errors.STATUSES,
)
DISCOUNT_COUPONS = Contract(
    "discount_coupons",
    ("/api/v1",),
    (discount_coupon_routes.routes, routes.routes, webhook_routes.routes),
    discount_coupon_errors.render_error,
    discount_coupon_errors.MESSAGES,
    # Carts have up to 10,000 items.
    max_body=4 * MAX_BODY,
    larger_bodies={"/api/v1/coupons/import": 64 * MAX_BODY},
)
EMAIL_COUPONS = Contract(
    "email_coupons",
    ("/api/coupons",),
    (email_coupon_routes.routes,),
    email_coupon_errors.render_error,
)
VOUCHERS = Contract(
    "vouchers",
    (
        "/api/auth",
        "/api/users",
        "/api/vouchers",
        "/api/payments",
        "/api/analytics",
        "/api/health",
        "/api/test",
    ),
    (
        health_routes.routes,
        auth_voucher_routes.routes,
        auth_profile_routes.routes,
        voucher_type_routes.routes,
        purchase_routes.routes,
        voucher_routes.routes,
        payment_routes.routes,
        analytics_routes.routes,
    ),
    voucher_errors.render_error,
    voucher_errors.MESSAGES | payment_errors.MESSAGES,
    voucher_errors.STATUSES | payment_errors.STATUSES,
)
CONTRACTS = (CREDIT_COUPONS, PROMOS, DISCOUNT_COUPONS, EMAIL_COUPONS, VOUCHERS)


def create_app(settings: Settings | None = None, **overrides: Any) -> Flask:
    """The application for these settings, or for those of application.yml and the environment with `overrides` on top.

    Raises ConfigurationError, a sentence for the operator, where they are not valid.
    """
    settings = settings or load_settings(**overrides)
    app = Flask(__name__, static_folder=None, instance_path=str(ROOT / "instance"))
    app.extensions["settings"] = settings
    app.config["SECRET_KEY"] = settings.secret_key
    app.json = OrjsonProvider(app)

    app.extensions["background"] = jobs.BACKGROUND

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

    payment_gateway.init_app(app, settings)

    contract.init_app(app, (*CONTRACTS, admin_errors.CONTRACT), elsewhere=PROMOS)
    document = openapi.init_app(app)
    for one in CONTRACTS:
        for blueprint in one.blueprints:
            document.add(blueprint)
    app.register_blueprint(auth_reset_page.pages)
    admin_console.init_app(app)
    app.register_blueprint(popup_routes.routes)
    if not settings.is_production:
        app.register_blueprint(mailbox.pages)

    cli.init_app(app)
    return app
