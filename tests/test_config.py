"""Configuration: the environment overrides .env, which overrides application.yml.

Any mistake gives the operator one sentence.
"""

import dataclasses
import json
import re
import subprocess
import sys
from decimal import Decimal

import pytest
import yaml
from click.testing import CliRunner
from dotenv import dotenv_values
from flask.cli import cli

from coupon_management_flask.config import (
    DEVELOPMENT_SECRET_KEY,
    ConfigurationError,
    Settings,
    load_settings,
)
from coupon_management_flask.config.settings import DECLARATIONS
from coupon_management_flask.config.written import application_yml

from .support.server import FLASK, ROOT, environment

DEFAULTS = ROOT / "application.yml"


def load(environ=None, file=DEFAULTS, dotenv=None, **overrides):
    return load_settings(file, environment=environ or {}, dotenv=dotenv, **overrides)


def written(folder, **changes):
    """Write an application.yml with the defaults and these changes."""
    values = {**yaml.safe_load(DEFAULTS.read_text()), **changes}
    file = folder / "application.yml"
    file.write_text(yaml.safe_dump(values))
    return file


def refused(environ=None, **given):
    """Return the sentence that refuses this configuration."""
    with pytest.raises(ConfigurationError) as refusal:
        load(environ, **given)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    return sentence


def test_the_defaults_are_valid_and_for_development():
    settings = load()

    assert settings.app_env == "development"
    assert not settings.is_production
    assert settings.database_url == f"sqlite:///{ROOT}/instance/coupons.db"
    assert settings.redis_url == ""
    assert (settings.access_token_minutes, settings.refresh_token_days) == (60, 7)
    assert settings.rate_limits_enabled is True
    assert (settings.allowed_hosts, settings.trusted_proxies, settings.cors_allowed_origins) == (
        (),
        (),
        (),
    )


def test_the_file_is_overridden_by_dotenv_and_that_by_the_environment_and_that_by_arguments(
    tmp_path,
):
    file = written(
        tmp_path,
        access_token_minutes=1,
        refresh_token_days=1,
        metrics_token="file",
        log_level="ERROR",
    )
    dotenv = tmp_path / ".env"
    dotenv.write_text("REFRESH_TOKEN_DAYS=2\nMETRICS_TOKEN=dotenv\nLOG_LEVEL=WARNING\n")

    settings = load(
        {"METRICS_TOKEN": "environment", "LOG_LEVEL": "INFO"},
        file=file,
        dotenv=dotenv,
        log_level="DEBUG",
    )

    assert settings.access_token_minutes == 1
    assert settings.refresh_token_days == 2
    assert settings.metrics_token == "environment"
    assert settings.log_level == "DEBUG"


def test_a_dotenv_that_is_not_there_is_none(tmp_path):
    assert load(dotenv=tmp_path / ".env") == load()


def test_an_empty_variable_is_one_that_is_not_set(tmp_path):
    file = written(tmp_path, access_token_minutes=5, metrics_token="file")

    settings = load({"ACCESS_TOKEN_MINUTES": "", "METRICS_TOKEN": ""}, file=file)

    assert (settings.access_token_minutes, settings.metrics_token) == (5, "file")


def test_a_variable_that_is_no_setting_is_somebody_elses():
    assert load({"PATH": "/bin", "SOMETHING_ELSE": "1"}) == load()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ALLOWED_HOSTS", "shop.example, .example.org,", ("shop.example", ".example.org")),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8,127.0.0.1,fd00::/8",
            ("10.0.0.0/8", "127.0.0.1", "fd00::/8"),
        ),
        ("CORS_ALLOWED_ORIGINS", "https://shop.example", ("https://shop.example",)),
        ("RATE_LIMITS_ENABLED", "false", False),
        ("RATE_LIMITS_ENABLED", "true", True),
        ("ACCESS_TOKEN_MINUTES", "15", 15),
        ("RATE_LIMIT_LOGINS", "5 per second; 100 per hour", "5 per second; 100 per hour"),
        ("PUBLIC_URL", "https://coupons.example/shop", "https://coupons.example/shop"),
        ("REDIS_URL", "redis://10.0.0.1:6379/2", "redis://10.0.0.1:6379/2"),
        (
            "CELERY_BROKER_URL",
            "rediss://:secret@10.0.0.1:6380/1",
            "rediss://:secret@10.0.0.1:6380/1",
        ),
        ("COUPON_DISCOUNT_PERCENT", "12.5", Decimal("12.5")),
        ("COUPON_EXPIRY_DAYS", "14", 14),
        ("EMAIL_BACKEND", "smtp", "smtp"),
        ("EMAIL_HOST", "email-smtp.eu-west-1.amazonaws.com", "email-smtp.eu-west-1.amazonaws.com"),
        ("EMAIL_PORT", "465", 465),
        ("EMAIL_USE_TLS", "false", False),
        (
            "DEFAULT_FROM_EMAIL",
            "Zoë's shop <coupons@example.com>",
            "Zoë's shop <coupons@example.com>",
        ),
        ("DEFAULT_FROM_EMAIL", "coupons@mail", "coupons@mail"),
        ("RATE_LIMIT_COUPONS", "10 per minute", "10 per minute"),
        ("RATE_LIMIT_COUPON_EMAILS", "100 per day", "100 per day"),
    ],
)
def test_text_of_the_environment_becomes_what_the_setting_is(name, text, value):
    assert getattr(load({name: text}), name.lower()) == value


@pytest.mark.parametrize("key", ["acess_token_minutes", "APP_ENV", "whatever"])
def test_a_key_that_does_not_exist_is_named(tmp_path, key):
    assert (
        refused(file=written(tmp_path, **{key: 1}))
        == f"Configuration: there is no setting {key!r} (in application.yml)."
    )


def test_a_key_that_is_missing_is_named(tmp_path):
    values = yaml.safe_load(DEFAULTS.read_text())
    del values["log_level"]
    (tmp_path / "application.yml").write_text(yaml.safe_dump(values))

    assert "'log_level'" in refused(file=tmp_path / "application.yml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("APP_ENV", "staging"),
        ("APP_ENV", "Production"),
        ("PUBLIC_URL", "coupons.example"),
        ("PUBLIC_URL", "ftp://coupons.example"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "*"),
        ("DATABASE_URL", "mysql://localhost/coupons"),
        ("DATABASE_URL", "postgres://localhost/coupons"),
        ("DATABASE_URL", "coupons.db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("POSTGRES_PORT", "0"),
        ("POSTGRES_PORT", "65536"),
        ("POSTGRES_PORT", "five"),
        ("REDIS_PORT", "-1"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost:6379"),
        ("CELERY_BROKER_URL", "localhost:6379"),
        ("CELERY_BROKER_URL", "amqp://localhost"),
        ("CELERY_BROKER_URL", "unix:///run/redis.sock"),
        ("COUPON_DISCOUNT_PERCENT", "-1"),
        ("COUPON_DISCOUNT_PERCENT", "100.5"),
        ("COUPON_DISCOUNT_PERCENT", "NaN"),
        ("COUPON_DISCOUNT_PERCENT", "ten"),
        ("COUPON_EXPIRY_DAYS", "0"),
        ("COUPON_EXPIRY_DAYS", "3651"),
        ("COUPON_WEBSITES", "[example.com]"),
        ("COUPON_WEBSITES", "{"),
        ("COUPON_WEBSITES", '{"example.com": 15}'),
        ("COUPON_WEBSITES", '{"example.com": [15]}'),
        ("COUPON_WEBSITES", '{"example": {}}'),
        ("COUPON_WEBSITES", '{"example.com": {"discount": 15}}'),
        ("COUPON_WEBSITES", '{"example.com": {"discount_percent": 101}}'),
        ("COUPON_WEBSITES", '{"example.com": {"expiry_days": 1.5}}'),
        ("COUPON_WEBSITES", '{"example.com": {"expiry_days": true}}'),
        ("COUPON_WEBSITES", '{"example.com": {}, "https://www.example.com": {}}'),
        ("EMAIL_BACKEND", "django"),
        ("EMAIL_PORT", "0"),
        ("EMAIL_USE_TLS", "perhaps"),
        ("DEFAULT_FROM_EMAIL", "Coupons"),
        ("DEFAULT_FROM_EMAIL", "a b@example.com>"),
        ("DEFAULT_FROM_EMAIL", "Coupons <a@example.com>\nBcc: b@example.com"),
        ("DEFAULT_FROM_EMAIL", "a@example.com, b@example.com"),
        ("RATE_LIMIT_COUPONS", "few"),
        ("RATE_LIMIT_COUPON_EMAILS", "20"),
        ("ACCESS_TOKEN_MINUTES", "0"),
        ("ACCESS_TOKEN_MINUTES", "1441"),
        ("ACCESS_TOKEN_MINUTES", "1.5"),
        ("REFRESH_TOKEN_DAYS", "week"),
        ("REFRESH_TOKEN_DAYS", "366"),
        ("RATE_LIMITS_ENABLED", "perhaps"),
        ("RATE_LIMIT_LOGINS", "many"),
        ("RATE_LIMIT_LOGINS", "5 per fortnight"),
        ("STRIPE_API_BASE", "api.stripe.com"),
        ("STRIPE_SECRET_KEY", "sk_test_1 sk_test_2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1\n"),
        ("ANTIFRAUD_ADDRESS", "ftp://antifraud"),
        ("PROMO_TIMEZONE", "Mars/Olympus"),
        ("PROMO_TIMEZONE", "localtime"),
        ("PROMO_TIMEZONE", "right/UTC"),
        ("CURRENCY", "usd"),
        ("CURRENCY", "XXY"),
        ("METRICS_TOKEN", "two words"),
        ("REFUND_DAYS", "-1"),
        ("LOG_LEVEL", "LOUD"),
        ("PASSWORD_HASH_MEMORY_KIB", "7"),
        ("PASSWORD_HASH_ROUNDS", "0"),
    ],
)
def test_a_value_that_is_wrong_is_refused_with_its_name(name, text):
    assert name in refused({name: text})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("allowed_hosts", 5),
        ("allowed_hosts", [1]),
        ("trusted_proxies", {"a": 1}),
        ("secret_key", 12345),
        ("secret_key", ["a"]),
        ("secret_key", ""),
        ("metrics_token", True),
        ("access_token_minutes", [60]),
        ("rate_limits_enabled", "perhaps"),
        ("rate_limits_enabled", 7),
        ("log_level", 10),
    ],
    ids=str,
)
def test_a_value_of_the_wrong_kind_in_the_file_is_refused_with_its_name(tmp_path, key, value):
    assert key.upper() in refused(file=written(tmp_path, **{key: value}))


@pytest.mark.parametrize(
    ("text", "says"),
    [("a: [", "no valid YAML"), ("- a\n- b\n", "table"), ("text", "table")],
    ids=["no YAML", "a list", "a word"],
)
def test_a_file_that_is_no_table_is_refused_in_a_sentence(tmp_path, text, says):
    file = tmp_path / "application.yml"
    file.write_text(text)

    sentence = refused(file=file)

    assert str(file) in sentence
    assert says in sentence


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert str(tmp_path / "none.yml") in refused(file=tmp_path / "none.yml")


def test_development_starts_with_the_ready_made_secret():
    assert load().secret_key == DEVELOPMENT_SECRET_KEY


POSTGRES = {
    "POSTGRES_HOST": "db.example",
    "POSTGRES_PORT": "5433",
    "POSTGRES_USERNAME": "shop",
    "POSTGRES_PASSWORD": "p@ss/word:1",
    "POSTGRES_DATABASE": "shop_coupons",
}


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        (POSTGRES, "postgresql+psycopg2://shop:p%40ss%2Fword%3A1@db.example:5433/shop_coupons"),
        (
            {"POSTGRES_HOST": "db.example", "POSTGRES_PASSWORD": "x"},
            "postgresql+psycopg2://coupons:x@db.example:5432/coupons",
        ),
        (
            {**POSTGRES, "DATABASE_URL": "postgresql://a:b@other/c"},
            "postgresql+psycopg2://a:b@other/c",
        ),
        ({"DATABASE_URL": "postgresql+psycopg://a:b@other/c"}, "postgresql+psycopg2://a:b@other/c"),
        (
            {"DATABASE_URL": "postgresql://a:b@other/c?sslmode=require"},
            "postgresql+psycopg2://a:b@other/c?sslmode=require",
        ),
        ({"DATABASE_URL": "sqlite:////srv/coupons.db"}, "sqlite:////srv/coupons.db"),
    ],
    ids=["all five", "the host alone", "the URL wins", "another driver", "options", "sqlite"],
)
def test_the_database_is_a_url_or_the_parts_of_one(environ, url):
    assert load(environ).database_url == url


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, ""),
        ({"REDIS_HOST": "redis.example"}, "redis://redis.example:6379/0"),
        ({"REDIS_HOST": "redis.example", "REDIS_PORT": "6380"}, "redis://redis.example:6380/0"),
        ({"REDIS_HOST": "redis.example", "REDIS_URL": "redis://other/1"}, "redis://other/1"),
        ({"REDIS_PORT": "6380"}, ""),
    ],
)
def test_redis_is_a_url_or_the_parts_of_one_or_not_there(environ, url):
    assert load(environ).redis_url == url


WEBSITES = {
    "https://WWW.Example.com/": {"discount_percent": 15.5, "expiry_days": 14},
    "bücher.example": {"discount_percent": 20},
    "shop.example.com": None,
}
KNOWN_BY = {
    "example.com": {"discount_percent": Decimal("15.5"), "expiry_days": 14},
    "xn--bcher-kva.example": {"discount_percent": Decimal(20)},
    "shop.example.com": {},
}


def test_the_table_of_websites_is_known_by_their_hosts_from_the_file_as_from_the_environment(
    tmp_path,
):
    file = written(tmp_path, coupon_websites=WEBSITES)

    assert load(file=file).coupon_websites == KNOWN_BY
    assert load({"COUPON_WEBSITES": json.dumps(WEBSITES)}).coupon_websites == KNOWN_BY
    # The environment's value replaces that of the file.
    assert load(
        {"COUPON_WEBSITES": '{"other.example": {"expiry_days": 7}}'}, file=file
    ).coupon_websites == {"other.example": {"expiry_days": 7}}
    assert load({"COUPON_WEBSITES": "{}"}, file=file).coupon_websites == {}
    assert load({"COUPON_WEBSITES": ""}, file=file).coupon_websites == KNOWN_BY


def test_the_websites_that_codes_are_given_for_are_known_by_their_hosts():
    named = "https://WWW.Example.com/x, .b\u00fccher.example ,127.0.0.1"

    assert load().coupon_allowed_websites == ()
    assert load({"COUPON_ALLOWED_WEBSITES": named}).coupon_allowed_websites == (
        "example.com",
        ".xn--bcher-kva.example",
        "127.0.0.1",
    )
    for wrong in ("example", "*.example.com", ".www.example.com", "."):
        assert "COUPON_ALLOWED_WEBSITES" in refused({"COUPON_ALLOWED_WEBSITES": wrong})


def test_the_table_of_websites_can_not_be_changed():
    table = load({"COUPON_WEBSITES": json.dumps(WEBSITES)}).coupon_websites

    for mapping in (table, table["example.com"]):
        with pytest.raises(TypeError):
            mapping["expiry_days"] = 1


def test_settings_can_not_be_changed():
    settings = load()

    for field in dataclasses.fields(Settings):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, field.name, "x")
        assert not isinstance(getattr(settings, field.name), list | dict | set)


NAMES = {one.name for one in DECLARATIONS}
# Compose names the database's parts and Redis's URL.
NOT_OF_COMPOSE = {"database_url", "redis_host", "redis_port"}


def test_application_yml_is_as_it_is_written_from_the_declarations():
    assert DEFAULTS.read_text() == application_yml()


def test_every_setting_is_in_application_yml_with_its_default_and_nothing_else():
    assert yaml.safe_load(DEFAULTS.read_text()) == {one.name: one.default for one in DECLARATIONS}


def test_every_setting_is_read_from_the_file_under_its_name():
    assert {field.name for field in dataclasses.fields(Settings)} == NAMES


def test_every_setting_reaches_the_services_of_compose():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    told = set().union(
        *(compose[name] for name in ("x-settings", "x-books", "x-broker")),
        *(compose["services"][name]["environment"] for name in ("web", "worker")),
    ) - {"<<"}

    # How many server processes there are is no setting of the application.
    assert told == {name.upper() for name in NAMES - NOT_OF_COMPOSE} | {"WORKERS"}


def paragraphs():
    """The keys and the comments of each paragraph of application.yml."""
    for paragraph in re.split(r"\n\s*\n", DEFAULTS.read_text()):
        lines = paragraph.splitlines()
        keys = [line.partition(":")[0] for line in lines if re.match(r"[a-z]", line)]
        yield keys, " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))


def test_every_key_of_application_yml_is_explained_by_a_comment():
    explained = {key for keys, comment in paragraphs() if comment for key in keys}

    assert NAMES - explained == set()


def test_every_setting_is_in_the_example_of_dotenv_with_its_default():
    example = dotenv_values(ROOT / ".env.example")

    assert {name.upper() for name in NAMES} <= set(example)
    assert load({name: value for name, value in example.items() if value}) == load()


def in_a_variable(default):
    """A default as it is written in a variable of the environment."""
    if isinstance(default, str):
        return default
    return json.dumps(default) if default not in ([], {}) else ""


@pytest.mark.parametrize("declared", DECLARATIONS, ids=lambda declared: declared.name)
def test_the_example_of_dotenv_shows_the_declared_default(declared):
    shown = dotenv_values(ROOT / ".env.example")[declared.name.upper()]

    # An example of a secret would be used.
    is_secret = declared.name == "secret_key"
    assert shown == ("" if is_secret else in_a_variable(declared.default))


BAD = [
    ({"APP_ENV": "production", "SECRET_KEY": "short"}, "SECRET_KEY"),
    ({"REFRESH_TOKEN_DAYS": "week"}, "REFRESH_TOKEN_DAYS"),
]


def assert_one_sentence(said, name):
    (sentence,) = said.splitlines()
    assert sentence.removeprefix("Error: ").startswith("Configuration: ")
    assert name in sentence


@pytest.mark.parametrize(("environ", "name"), BAD)
@pytest.mark.parametrize(
    "arguments", [["audit"], ["serve"], ["worker"], ["db", "upgrade"], ["seed-demo"]], ids=" ".join
)
def test_a_command_with_a_bad_configuration_prints_one_sentence(tmp_path, arguments, environ, name):
    # Flask itself sets the first of these. Naming it here restores it at the end.
    of_flask = {"FLASK_RUN_FROM_CLI": "true", "FLASK_SKIP_DOTENV": "1"}

    told = CliRunner(
        env={**of_flask, **environment(f"sqlite:///{tmp_path}/x.db", **environ)}
    ).invoke(cli, ["--app", "coupon_management_flask", *arguments])

    assert (told.exit_code, told.stdout) == (1, "")
    assert_one_sentence(told.stderr, name)


# The same for two real commands: a mistake found before any command exists must not end in a
# traceback either.
@pytest.mark.parametrize(
    "command",
    [[*FLASK, "serve"], [sys.executable, "-c", "import coupon_management_flask.wsgi"]],
    ids=["flask serve", "any server"],
)
def test_a_process_with_a_bad_configuration_prints_one_sentence_and_no_traceback(tmp_path, command):
    environ, name = BAD[0]

    ended = subprocess.run(
        command,
        env=environment(f"sqlite:///{tmp_path}/x.db", **environ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert_one_sentence(ended.stderr, name)
