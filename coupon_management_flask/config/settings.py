"""The declarations: each setting's name, form, default and explanation.

application.yml is written from them (`python -m coupon_management_flask.config`). Tests hold
.env.example and docker-compose.yml to them.
"""

# ruff: noqa: RUF009 - what `_setting` returns is a field of the dataclass, not its default.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

import marshmallow as ma
from marshmallow import validate

from . import forms

T = TypeVar("T")

DEVELOPMENT_SECRET_KEY = "development-only-secret-key-change-me-in-production"  # noqa: S105 - no secret: production refuses it


@dataclass(frozen=True, slots=True)
class Declaration:
    """One setting as an operator sees it.

    `default` is written as in application.yml. A setting without `help` is explained by the one
    before it. `opens` says that it begins a group.
    """

    name: str
    form: ma.fields.Field[object]
    default: str | float | bool | Sequence[str] | Mapping[str, object]
    help: str
    opens: bool


def _setting(
    form: ma.fields.Field[T],
    default: str | float | bool | Sequence[str] | Mapping[str, object],
    help: str = "",
    *,
    opens: bool = False,
) -> T:
    return cast(T, field(metadata={"declared": (form, default, help, opens)}))


def _text(check: "validate.Validator | object | None" = None) -> ma.fields.String:
    return ma.fields.String(validate=check)  # type: ignore[arg-type]


def _whole(least: int, most: int | None = None) -> ma.fields.Integer:
    return ma.fields.Integer(validate=validate.Range(least, most))


def _seconds() -> ma.fields.Float:
    return ma.fields.Float(validate=validate.Range(0.1, 60))


def _url() -> ma.fields.Url:
    return ma.fields.Url(require_tld=False, schemes={"http", "https"})


def _word_of(*words: str) -> ma.fields.String:
    return ma.fields.String(validate=validate.OneOf(words))


def _port() -> ma.fields.Integer:
    return _whole(1, 65535)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decided.

    Each field is a key of application.yml and, in capitals, a variable of the environment.
    """

    app_env: str = _setting(
        _word_of("development", "production"),
        "development",
        "development: readable logs, a ready-made secret and a database in a file. production: "
        "JSON logs, and no start without a SECRET_KEY of your own and a database that is named.",
        opens=True,
    )
    secret_key: str = _setting(_text(validate.Length(min=1)), DEVELOPMENT_SECRET_KEY)

    public_url: str = _setting(
        _url(),
        "http://127.0.0.1:8000",
        "Where people reach the service. Links in mails and answers are built from this, never "
        "from a request's Host header.",
        opens=True,
    )
    allowed_hosts: tuple[str, ...] = _setting(
        forms.Words(),
        [],
        'Host names to answer to (".example.com" includes its subdomains). Empty: any; but what '
        "development shows (/dev/mailbox, /docs, /admin), and /metrics without a token, answer "
        "names of this machine alone.",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        forms.Words(validate=forms.networks),
        [],
        "Addresses or networks of the proxies in front. Only their X-Forwarded-For and "
        "X-Forwarded-Proto are trusted. Empty: nobody's are.",
    )
    cors_allowed_origins: tuple[str, ...] = _setting(
        forms.Origins(),
        [],
        "Origins whose scripts may call the API from a browser, without cookies, such as "
        "https://app.example (*: any). Empty: only the service's own pages; in development those "
        "of this machine may always. The popup's part (/api/coupons) has a setting of its own: the "
        "websites of coupon_allowed_websites may call it, or any.",
    )

    request_seconds: float = _setting(
        _seconds(),
        30,
        "How long a request may take to come, with a second more for each 100 KB of its body, and "
        "how long a client may leave an answer unread.",
        opens=True,
    )
    waiting_memory_mib: int = _setting(
        _whole(1, 65536),
        64,
        "What bodies and large answers may take while they wait, of all workers together: in "
        "memory, and in temporary files. Beyond that requests are 503.",
    )
    waiting_disk_mib: int = _setting(_whole(0, 1024 * 1024), 256)

    database_url: str = _setting(
        _text(),
        "",
        "postgresql://user:password@host:5432/name or sqlite:////absolute/path.db. Empty: "
        "PostgreSQL at postgres_host, or if that is empty too, SQLite in instance/coupons.db "
        "(development only).",
        opens=True,
    )
    postgres_host: str = _setting(_text(), "")
    postgres_port: int = _setting(_port(), 5432)
    postgres_username: str = _setting(_text(), "coupons")
    postgres_password: str = _setting(_text(), "")
    postgres_database: str = _setting(_text(), "coupons")

    redis_url: str = _setting(
        _text(forms.redis_url),
        "",
        "redis://host:6379/0. Empty: Redis at redis_host, or if that is empty too, none, and then "
        "each worker counts rate limits by itself.",
        opens=True,
    )
    redis_host: str = _setting(_text(), "")
    redis_port: int = _setting(_port(), 6379)

    celery_broker_url: str = _setting(
        _text(forms.broker_url),
        "",
        "redis://host:6379/1, if Celery should do the background work: `celery worker` and "
        "`celery beat` (docs/operations). Empty: threads of each server process do it, and every "
        "`flask worker`.",
        opens=True,
    )

    antifraud_address: str = _setting(
        _text(forms.host_or_url),
        "",
        "The antifraud service to ask before a promo code is given out: host:port or a URL. Empty: "
        "a built-in check refuses anybody who activates more promos a minute than the number below "
        "(`flask antifraud` runs that check as a service).",
        opens=True,
    )
    antifraud_max_per_minute: int = _setting(_whole(1), 30)
    antifraud_connect_seconds: float = _setting(
        _seconds(),
        2,
        "How long to wait for the service to connect and to answer. It is asked at most twice.",
    )
    antifraud_answer_seconds: float = _setting(_seconds(), 5)
    promo_timezone: ZoneInfo = _setting(
        forms.Zone(), "UTC", "The time zone in which a promo's days begin and end."
    )
    promo_token_hours: int = _setting(
        _whole(1, 24),
        24,
        "For how many hours tokens of the promo contract are valid, 1 to 24.",
    )

    currency: str = _setting(
        _text(forms.currency),
        "USD",
        "The currency of discount coupons that name none (ISO 4217).",
        opens=True,
    )
    credit_value: Decimal = _setting(
        ma.fields.Decimal(
            allow_nan=False, validate=validate.Range(Decimal("0.0001"), Decimal(1_000_000))
        ),
        0.01,
        "What one credit is worth, in that currency, when vouchers are paid with credit.",
    )
    webhooks_allow_private: bool = _setting(
        ma.fields.Boolean(),
        False,
        "true: webhooks may also be sent to private and loopback addresses, and without TLS. For "
        "development, or if everybody who manages coupons may reach the whole network.",
    )

    coupon_discount_percent: Decimal = _setting(
        ma.fields.Decimal(validate=forms.PERCENT),
        10,
        "What a visitor gets for an e-mail address: how much off, in percent, and for how many "
        "days.",
        opens=True,
    )
    coupon_expiry_days: int = _setting(ma.fields.Integer(validate=forms.DAYS), 30)
    coupon_websites: forms.WebsiteTable = _setting(
        forms.Websites(),
        {},
        "Other values for single websites, as in\n"
        "  example.com: {discount_percent: 15, expiry_days: 14}",
    )

    coupon_allowed_websites: tuple[str, ...] = _setting(
        forms.Hosts(),
        [],
        'The websites that codes are given for (".example.com" includes its subdomains). Empty: '
        "any, and mails name none in a form that mail programs make a link of.",
    )

    email_backend: str = _setting(
        _word_of("", "smtp", "console"),
        "",
        "Where mails go. Empty: to email_host; if that is empty too, they go to the log and to the "
        "page /dev/mailbox in development, and wait in the outbox in production. smtp: always to "
        "email_host. console: to the standard output.",
        opens=True,
    )
    email_host: str = _setting(_text(), "")
    email_port: int = _setting(_port(), 587)
    email_use_tls: bool = _setting(
        ma.fields.Boolean(),
        True,
        "true: STARTTLS, and without it nothing is sent. Port 465 uses TLS from the start.",
    )
    email_host_user: str = _setting(_text(), "")
    email_host_password: str = _setting(_text(), "")
    default_from_email: str = _setting(
        _text(forms.mail_sender), "Coupons <coupons@localhost>", "The sender of mails."
    )

    stripe_secret_key: str = _setting(
        _text(forms.one_word),
        "",
        "Payments by card through Stripe: the account's keys and the signing secret of its "
        "webhook. Empty: people pay with credit alone.",
        opens=True,
    )
    stripe_publishable_key: str = _setting(_text(forms.one_word), "")
    stripe_webhook_secret: str = _setting(_text(forms.one_word), "")
    stripe_api_base: str = _setting(_url(), "https://api.stripe.com")
    refund_days: int = _setting(
        _whole(0, 3650), 14, "For how many days after a payment its owner may get it refunded."
    )

    access_token_minutes: int = _setting(
        _whole(1, 24 * 60),
        60,
        "How long an access token is valid, and a session that is not refreshed.",
        opens=True,
    )
    refresh_token_days: int = _setting(_whole(1, 365), 7)

    rate_limits_enabled: bool = _setting(
        ma.fields.Boolean(),
        True,
        "false turns off every rate limit and the limits on guessing, for tests and benchmarks.",
        opens=True,
    )
    rate_limit_logins: str = _setting(
        _text(forms.rate),
        "300 per minute",
        "Sign-ups, log-ins and refreshes from one caller's address.",
    )
    rate_limit_coupons: str = _setting(
        _text(forms.rate),
        "5 per minute",
        "Requests for e-mail coupons from one caller's address, and for one e-mail address.",
    )
    rate_limit_coupon_emails: str = _setting(_text(forms.rate), "20 per day")
    rate_limit_password_resets: str = _setting(
        _text(forms.rate),
        "20 per hour",
        "Requests for password resets from one caller's address, and for one e-mail address.",
    )
    rate_limit_password_reset_emails: str = _setting(_text(forms.rate), "3 per hour")
    max_open_payments: int = _setting(
        _whole(1, 1000),
        5,
        "How many payments by card one account may have open at once. The limits below are one "
        "account's too.",
    )
    rate_limit_payments: str = _setting(
        _text(forms.rate),
        "20 per minute",
        "Payments that are begun, and calls about one that ask Stripe.",
    )
    rate_limit_payment_checks: str = _setting(_text(forms.rate), "60 per minute")
    rate_limit_comments: str = _setting(
        _text(forms.rate),
        "60 per minute",
        "Comments on promos, and promos that a company publishes.",
    )
    rate_limit_promos: str = _setting(_text(forms.rate), "600 per minute")
    rate_limit_best: str = _setting(
        _text(forms.rate),
        "30 per minute",
        "Searches for the best discount, and a shopper's calls of validate, apply and apply-all. "
        "A server with an API key, and who manages coupons, may check as many carts as they like.",
    )
    rate_limit_price_checks: str = _setting(_text(forms.rate), "120 per minute")
    rate_limit_batches: str = _setting(
        _text(forms.rate), "60 per minute", "Batches of codes that are generated or imported."
    )
    rate_limit_webhook_sends: str = _setting(
        _text(forms.rate), "60 per minute", "Messages that are sent to a webhook by hand."
    )
    rate_limit_reports: str = _setting(
        _text(forms.rate), "60 per minute", "Dashboards and exports as CSV."
    )
    rate_limit_password_changes: str = _setting(
        _text(forms.rate), "10 per minute", "Passwords that a signed-in user changes."
    )

    metrics_token: str = _setting(
        _text(forms.one_word),
        "",
        "The bearer token for /metrics. Empty: only callers on this machine may read it.",
        opens=True,
    )
    log_level: str = _setting(
        _word_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "DEBUG, INFO, WARNING or ERROR."
    )

    password_hash_memory_kib: int = _setting(
        _whole(8, 4 * 1024 * 1024),
        19456,
        "The cost of one password hash (Argon2id).",
        opens=True,
    )
    password_hash_rounds: int = _setting(_whole(1, 100), 2)

    @property
    def is_production(self) -> bool:
        return self.app_env == "production"

    def link_to(self, path: str) -> str:
        """Return the URL at which people reach a path of the service."""
        return f"{self.public_url.rstrip('/')}{path}"


DECLARATIONS = tuple(Declaration(one.name, *one.metadata["declared"]) for one in fields(Settings))
