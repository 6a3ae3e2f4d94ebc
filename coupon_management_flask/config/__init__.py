"""Configuration: application.yml, the environment on top, frozen Settings out.

A key that does not exist or a value that is wrong stops the start with a sentence that names it.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from email.utils import getaddresses
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import marshmallow as ma
import pycountry
import yaml
from dotenv import dotenv_values
from flask import current_app
from marshmallow import validate
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..text.hosts import website_host

ROOT = Path(__file__).resolve().parent.parent.parent
DEVELOPMENT_SECRET_KEY = "development-only-secret-key-change-me-in-production"  # noqa: S105 - no secret: production refuses it
SHORTEST_SECRET_KEY = 32


class ConfigurationError(click.ClickException):
    """A sentence for the operator; `flask` commands print it and nothing else."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decided. Each field is a key of application.yml and, in capitals, a variable of the environment."""

    app_env: str
    secret_key: str
    public_url: str
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    cors_allowed_origins: tuple[str, ...]
    database_url: str
    redis_url: str
    celery_broker_url: str
    antifraud_address: str
    antifraud_max_per_minute: int
    antifraud_connect_seconds: float
    antifraud_answer_seconds: float
    promo_timezone: ZoneInfo
    promo_token_hours: int
    currency: str
    credit_value: Decimal
    webhooks_allow_private: bool
    coupon_discount_percent: Decimal
    coupon_expiry_days: int
    coupon_websites: Mapping[str, Mapping[str, Any]]
    email_backend: str
    email_host: str
    email_port: int
    email_use_tls: bool
    email_host_user: str
    email_host_password: str
    default_from_email: str
    stripe_secret_key: str
    stripe_publishable_key: str
    stripe_webhook_secret: str
    stripe_api_base: str
    refund_days: int
    access_token_minutes: int
    refresh_token_days: int
    rate_limits_enabled: bool
    rate_limit_logins: str
    rate_limit_coupons: str
    rate_limit_coupon_emails: str
    rate_limit_password_resets: str
    rate_limit_password_reset_emails: str
    metrics_token: str
    log_level: str
    password_hash_memory_kib: int
    password_hash_rounds: int

    @property
    def is_production(self) -> bool:
        return self.app_env == "production"


class _List(ma.fields.Field[tuple[str, ...]]):
    """A YAML list of strings, or their comma-separated form in the environment."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ma.ValidationError("it must be a list of words")
        return tuple(item.strip() for item in items if item.strip())


class _Zone(ma.fields.Field[ZoneInfo]):
    """A time zone of the IANA database, by name."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> ZoneInfo:
        try:
            return ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise ma.ValidationError(f"{value!r} is no time zone such as Europe/Berlin") from error


class _Websites(ma.fields.Field[Mapping[str, Mapping[str, Any]]]):
    """A YAML table of what is otherwise for the e-mail coupons of some websites; as JSON in the environment."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Mapping[str, Mapping[str, Any]]:
        try:
            table = yaml.safe_load(value) or {} if isinstance(value, str) else value
        except yaml.YAMLError as error:
            raise ma.ValidationError("it is no table") from error
        if not isinstance(table, dict):
            raise ma.ValidationError("it must be a table of websites")
        found: dict[str, Mapping[str, Any]] = {}
        for website, terms in table.items():
            try:
                host = website_host(str(website))
                if host in found:
                    raise ma.ValidationError("it is there twice")
                found[host] = MappingProxyType(_website_terms.load(terms or {}))
            except ma.ValidationError as error:
                raise ma.ValidationError(f"{website}: {error.messages}") from error
            except ValueError as error:
                raise ma.ValidationError(
                    f"{website!r} is no website such as example.com"
                ) from error
        return MappingProxyType(found)


def _antifraud_address(value: str) -> None:
    url = urlsplit(value if "://" in value else f"http://{value}")
    if value and (url.scheme not in ("http", "https") or not url.hostname):
        raise ma.ValidationError("it must be host:port or a URL")


def _redis_address(value: str) -> None:
    if value and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ma.ValidationError("it must start with redis://, rediss:// or unix://")


def _broker_address(value: str) -> None:
    # Celery has another name for unix://.
    if value and urlsplit(value).scheme not in ("redis", "rediss"):
        raise ma.ValidationError("it must start with redis:// or rediss://")


def _networks(values: tuple[str, ...]) -> None:
    for value in values:
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            raise ma.ValidationError(
                f"{value!r} is neither an address nor a network such as 10.0.0.0/8"
            ) from error


def _currency(value: str) -> None:
    if not value.isupper() or pycountry.currencies.get(alpha_3=value) is None:
        raise ma.ValidationError("it must be an ISO 4217 code such as USD")


def _rate(value: str) -> None:
    from limits import parse_many

    try:
        parse_many(value)
    except ValueError as error:
        raise ma.ValidationError("it must read like '300 per minute'") from error


def _word(value: str) -> None:
    # A key with a space or a line's end in it was copied badly, and a header can't hold it.
    if not all("!" <= letter <= "~" for letter in value):
        raise ma.ValidationError("it must be one word")


def _sender(value: str) -> None:
    # A mail server of one's own may know hosts that the world does not.
    addresses = [address for _, address in getaddresses([value])]
    if (
        len(addresses) != 1
        or not re.fullmatch(r"[^@\s]+@[^@\s]+", addresses[0])
        or not value.isprintable()
    ):
        raise ma.ValidationError("it must read like Coupons <coupons@example.com>")


# A discount coupon's own bounds, and what a calendar can count.
_percent = validate.Range(0, 100)
_days = validate.Range(1, 3650)


class _WebsiteTermsSchema(ma.Schema):
    class Meta:
        unknown = ma.RAISE

    discount_percent = ma.fields.Decimal(validate=_percent)
    expiry_days = ma.fields.Integer(strict=True, validate=_days)


_website_terms = _WebsiteTermsSchema()


class _SettingsSchema(ma.Schema):
    """Also names every key there is; `postgres_*` and `redis_host`/`_port` are another way to say the two URLs."""

    class Meta:
        unknown = ma.RAISE

    app_env = ma.fields.String(validate=validate.OneOf(["development", "production"]))
    secret_key = ma.fields.String()
    public_url = ma.fields.Url(require_tld=False, schemes={"http", "https"})
    allowed_hosts = _List()
    trusted_proxies = _List(validate=_networks)
    cors_allowed_origins = _List()
    database_url = ma.fields.String()
    postgres_host = ma.fields.String()
    postgres_port = ma.fields.Integer(validate=validate.Range(1, 65535))
    postgres_username = ma.fields.String()
    postgres_password = ma.fields.String()
    postgres_database = ma.fields.String()
    redis_url = ma.fields.String(validate=_redis_address)
    redis_host = ma.fields.String()
    redis_port = ma.fields.Integer(validate=validate.Range(1, 65535))
    celery_broker_url = ma.fields.String(validate=_broker_address)
    antifraud_address = ma.fields.String(validate=_antifraud_address)
    antifraud_max_per_minute = ma.fields.Integer(validate=validate.Range(1))
    antifraud_connect_seconds = ma.fields.Float(validate=validate.Range(0.1, 60))
    antifraud_answer_seconds = ma.fields.Float(validate=validate.Range(0.1, 60))
    promo_timezone = _Zone()
    promo_token_hours = ma.fields.Integer(validate=validate.Range(1, 24))
    currency = ma.fields.String(validate=_currency)
    credit_value = ma.fields.Decimal(
        allow_nan=False, validate=validate.Range(Decimal("0.0001"), Decimal(1_000_000))
    )
    webhooks_allow_private = ma.fields.Boolean()
    coupon_discount_percent = ma.fields.Decimal(validate=_percent)
    coupon_expiry_days = ma.fields.Integer(validate=_days)
    coupon_websites = _Websites()
    email_backend = ma.fields.String(validate=validate.OneOf(["", "smtp", "console"]))
    email_host = ma.fields.String()
    email_port = ma.fields.Integer(validate=validate.Range(1, 65535))
    email_use_tls = ma.fields.Boolean()
    email_host_user = ma.fields.String()
    email_host_password = ma.fields.String()
    default_from_email = ma.fields.String(validate=_sender)
    stripe_secret_key = ma.fields.String(validate=_word)
    stripe_publishable_key = ma.fields.String(validate=_word)
    stripe_webhook_secret = ma.fields.String(validate=_word)
    stripe_api_base = ma.fields.Url(require_tld=False, schemes={"http", "https"})
    refund_days = ma.fields.Integer(validate=validate.Range(0, 3650))
    access_token_minutes = ma.fields.Integer(validate=validate.Range(1, 24 * 60))
    refresh_token_days = ma.fields.Integer(validate=validate.Range(1, 365))
    rate_limits_enabled = ma.fields.Boolean()
    rate_limit_logins = ma.fields.String(validate=_rate)
    rate_limit_coupons = ma.fields.String(validate=_rate)
    rate_limit_coupon_emails = ma.fields.String(validate=_rate)
    rate_limit_password_resets = ma.fields.String(validate=_rate)
    rate_limit_password_reset_emails = ma.fields.String(validate=_rate)
    metrics_token = ma.fields.String()
    log_level = ma.fields.String(validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
    password_hash_memory_kib = ma.fields.Integer(validate=validate.Range(8, 4 * 1024 * 1024))
    password_hash_rounds = ma.fields.Integer(validate=validate.Range(1, 100))


_schema = _SettingsSchema()


def load_settings(
    file: Path = ROOT / "application.yml",
    environment: Mapping[str, str] | None = None,
    dotenv: Path | None = ROOT / ".env",
    **overrides: Any,
) -> Settings:
    """Settings from the file, over them `.env`, over that the environment, over all `overrides`. Raises ConfigurationError."""
    values = {
        **_from_file(file),
        **_from_environment(dotenv, os.environ if environment is None else environment),
        **overrides,
    }
    try:
        known = _schema.load(values)
    except ma.ValidationError as error:
        name, problems = next(iter(error.messages_dict.items()))
        if name not in _schema.fields:
            raise ConfigurationError(
                f"Configuration: there is no setting {name!r} (in {file.name})."
            ) from error
        raise ConfigurationError(
            f"Configuration: {name.upper()} is not valid: {' '.join(problems)}"
        ) from error
    missing = sorted(set(_schema.fields) - set(known))
    if missing:
        raise ConfigurationError(
            f"Configuration: {missing[0]!r} is set neither in {file.name} nor in the environment."
        )
    settings = Settings(
        **{field.name: known[field.name] for field in fields(Settings)}
        | {"database_url": _database_url(known), "redis_url": _redis_url(known)}
    )
    _check_production(settings)
    return settings


def _from_file(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigurationError(
            f"Configuration: {file} can't be read: {error.strerror}."
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise ConfigurationError(f"Configuration: {file} is no valid YAML{where}.") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"Configuration: {file} must hold a table of settings.")
    return {str(key): "" if value is None else value for key, value in values.items()}


def _from_environment(dotenv: Path | None, environment: Mapping[str, str]) -> dict[str, Any]:
    # An empty variable is one that is not set: compose files pass them on that way.
    variables = {**(dotenv_values(dotenv) if dotenv is not None else {}), **environment}
    return {name: variables[name.upper()] for name in _schema.fields if variables.get(name.upper())}


def _database_url(known: Mapping[str, Any]) -> str:
    if known["database_url"]:
        try:
            url = make_url(known["database_url"])
        except ArgumentError as error:
            raise ConfigurationError("Configuration: DATABASE_URL is no database URL.") from error
    elif known["postgres_host"]:
        url = URL.create(
            "postgresql",
            known["postgres_username"],
            known["postgres_password"],
            known["postgres_host"],
            known["postgres_port"],
            known["postgres_database"],
        )
    else:
        url = URL.create("sqlite", database=str(ROOT / "instance" / "coupons.db"))
    if url.get_backend_name() not in {"postgresql", "sqlite"}:
        raise ConfigurationError(
            f"Configuration: DATABASE_URL names {url.drivername!r}; the service runs on postgresql and sqlite."
        )
    if url.get_backend_name() == "postgresql":
        # To SQLAlchemy a bare "postgresql" means another driver than the one that is installed.
        url = url.set(drivername="postgresql+psycopg2")
    elif not url.database or url.database == ":memory:":
        raise ConfigurationError(
            "Configuration: DATABASE_URL must name a file for sqlite: a database in memory is another one for each connection."
        )
    return url.render_as_string(hide_password=False)


def _redis_url(known: Mapping[str, Any]) -> str:
    if known["redis_url"] or not known["redis_host"]:
        return str(known["redis_url"])
    return f"redis://{known['redis_host']}:{known['redis_port']}/0"


def _check_production(settings: Settings) -> None:
    if not settings.is_production:
        return
    if settings.secret_key in {"", DEVELOPMENT_SECRET_KEY}:
        raise ConfigurationError(
            "Configuration: SECRET_KEY must be set in production (python -c 'import secrets; print(secrets.token_urlsafe(48))' makes one)."
        )
    if len(settings.secret_key) < SHORTEST_SECRET_KEY:
        raise ConfigurationError(
            f"Configuration: SECRET_KEY must have at least {SHORTEST_SECRET_KEY} characters in production."
        )


def current() -> Settings:
    """The settings of the application that serves the current request or command."""
    return cast(Settings, current_app.extensions["settings"])
