"""What production asks of its settings before anything starts, and what it warns of."""

import secrets

import pytest

from coupon_management_flask.config import (
    DEVELOPMENT_SECRET_KEY,
    ConfigurationError,
    load_settings,
    production,
)

from .support.server import ROOT, STRONG_KEY

DATABASE = "postgresql://shop:p4ss@db.example/shop"
WELL = {
    "APP_ENV": "production",
    "SECRET_KEY": STRONG_KEY,
    "DATABASE_URL": DATABASE,
    "ALLOWED_HOSTS": "shop.example",
    "PUBLIC_URL": "https://shop.example",
    "COUPON_ALLOWED_WEBSITES": "shop.example",
}


def load(**environ):
    return load_settings(ROOT / "application.yml", environment=environ, dotenv=None)


def refused(**environ):
    """Return the sentence that refuses to start production with this."""
    with pytest.raises(ConfigurationError) as refusal:
        load(**environ)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    return sentence


def without(name):
    return {key: value for key, value in WELL.items() if key != name}


GUESSABLE = [
    "",
    DEVELOPMENT_SECRET_KEY,
    STRONG_KEY[:-1],
    "a" * 64,
    "abc123" * 8,
    "0123456789abcdef0123456789abcdef",
    "qwertyuiopasdfghjklzxcvbnm123456",
    "changeme" * 5,
    "your-secret-key-change-me-in-production-please",
    "your-256-bit-secret-your-256-bit-secret",
    "k" * 32 + "9f3a07c5",
]


@pytest.mark.parametrize("secret", GUESSABLE)
def test_production_does_not_start_with_a_secret_that_can_be_guessed_and_does_not_print_it(secret):
    sentence = refused(**WELL | {"SECRET_KEY": secret})

    assert "SECRET_KEY" in sentence
    assert not secret or secret not in sentence


@pytest.mark.parametrize(
    "make",
    [
        lambda: secrets.token_urlsafe(24),
        lambda: secrets.token_hex(16),
        lambda: f"coupons-production-{secrets.token_hex(16)}",
        lambda: "correct horse battery staple and seven more",
    ],
    ids=["base64", "hex", "with a name in front", "words"],
)
def test_production_starts_with_a_secret_that_was_drawn(make):
    secret = make()

    assert load(**WELL | {"SECRET_KEY": secret}).secret_key == secret


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ["DATABASE_URL", "POSTGRES_HOST"]),
        ({"POSTGRES_DATABASE": "shop", "POSTGRES_PASSWORD": "x"}, ["DATABASE_URL"]),
        ({"DATABSE_URL": DATABASE}, ["DATABSE_URL is no setting", "DATABASE_URL"]),
        (
            {"POSTGRES_HOST": "db.example", "POSTGRES_DATABSE": "shop"},
            ["POSTGRES_DATABSE is no setting", "POSTGRES_DATABASE"],
        ),
        ({"POSTGRES_HOTS": "db.example"}, ["POSTGRES_HOTS is no setting", "POSTGRES_HOST"]),
    ],
    ids=["nothing", "no host", "a URL misspelt", "a name misspelt", "a host misspelt"],
)
def test_production_starts_on_no_database_that_nobody_has_named(given, told):
    sentence = refused(**without("DATABASE_URL"), **given)

    for words in told:
        assert words in sentence
    assert "p4ss" not in sentence


def test_a_variable_of_somebody_else_is_no_mistake():
    of_docker = {"POSTGRES_1_PORT_5432_TCP": "tcp://10.0.0.1:5432", "POSTGRES_VOLUME": "books"}
    load(**without("DATABASE_URL"), POSTGRES_HOST="db.example", **of_docker)
    # What is set under its own name is not missed.
    load(**WELL, DATABASE_URI="postgresql://other/other")


def test_development_starts_on_its_own_file_and_a_process_that_needs_neither_is_asked_for_neither():
    assert load().database_url.startswith("sqlite:///")
    settings = load_settings(
        environment={"APP_ENV": "production"}, dotenv=None, signs_and_stores=False
    )
    assert settings.is_production


def warned_of(**environ):
    return [name for name, _ in production.warnings(load(**environ))]


def test_production_warns_of_what_it_can_run_with_and_hardly_should():
    assert warned_of(**WELL) == []
    # Whatever development lacks is as it should be.
    assert warned_of() == []
    bare = {name: WELL[name] for name in ("APP_ENV", "SECRET_KEY", "DATABASE_URL")}
    assert warned_of(
        **bare,
        RATE_LIMITS_ENABLED="false",
        METRICS_TOKEN="metrics",
        STRIPE_SECRET_KEY="sk_live_1",
        STRIPE_WEBHOOK_SECRET="whsec_1",
    ) == [
        "RATE_LIMITS_ENABLED",
        "ALLOWED_HOSTS",
        "PUBLIC_URL",
        "COUPON_ALLOWED_WEBSITES",
        "METRICS_TOKEN",
        "STRIPE_WEBHOOK_SECRET",
    ]
    assert warned_of(**WELL, STRIPE_SECRET_KEY="sk_live_1") == ["STRIPE_WEBHOOK_SECRET"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://127.9.9.9", "http://[::1]:8000", "https://x.localhost"]
)
def test_a_public_url_on_loopback_is_warned_of_however_it_is_written(url):
    assert warned_of(**WELL | {"PUBLIC_URL": url}) == ["PUBLIC_URL"]
