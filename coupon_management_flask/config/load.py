"""Reading the settings: application.yml, over it `.env`, over that the environment.

A key that does not exist or a value that is wrong stops the start with a sentence that names it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import marshmallow as ma
import yaml
from dotenv import dotenv_values
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from . import production
from .settings import DECLARATIONS, Settings

ROOT = Path(__file__).resolve().parent.parent.parent

# What the schema has checked: of each setting the value that its form gives.
Known = dict[str, Any]

_schema = ma.Schema.from_dict({one.name: one.form for one in DECLARATIONS})(unknown=ma.RAISE)


class ConfigurationError(click.ClickException):
    """A sentence for the operator; `flask` commands print it and nothing else."""


def load_settings(
    file: Path = ROOT / "application.yml",
    environment: Mapping[str, str] | None = None,
    dotenv: Path | None = ROOT / ".env",
    signs_and_stores: bool = True,
    **overrides: object,
) -> Settings:
    """Read the file, over it `.env`, over that the environment, over all of them `overrides`.

    Production asks for a secret and a database, unless the process neither signs nor stores.

    Raises:
        ConfigurationError: A setting is unknown, missing or not valid.
    """
    variables = {
        **(dotenv_values(dotenv) if dotenv is not None else {}),
        **(os.environ if environment is None else environment),
    }
    values = {**_from_file(file), **_from_environment(variables), **overrides}
    known = _checked(values, file)
    settings = Settings(
        **known | {"database_url": _database_url(known), "redis_url": _redis_url(known)}
    )
    if settings.is_production and signs_and_stores:
        is_named = bool(known["database_url"] or known["postgres_host"])
        refusal = production.refusal(settings, variables, is_database_named=is_named)
        if refusal is not None:
            raise ConfigurationError(f"Configuration: {refusal}")
    return settings


def _checked(values: Mapping[str, object], file: Path) -> Known:
    try:
        known: Known = _schema.load(values)
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
    return known


def _from_file(file: Path) -> dict[str, object]:
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


def _from_environment(variables: Mapping[str, str | None]) -> dict[str, object]:
    # An empty variable is one that is not set: Compose files pass them on that way.
    return {one.name: value for one in DECLARATIONS if (value := variables.get(one.name.upper()))}


def _database_url(known: Known) -> str:
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
            f"Configuration: DATABASE_URL names {url.drivername!r}; "
            "the service runs on postgresql and sqlite."
        )
    if url.get_backend_name() == "postgresql":
        # To SQLAlchemy a bare "postgresql" means another driver than the one that is installed.
        url = url.set(drivername="postgresql+psycopg2")
    elif not url.database or url.database == ":memory:":
        raise ConfigurationError(
            "Configuration: DATABASE_URL must name a file for sqlite: "
            "a database in memory is another one for each connection."
        )
    return url.render_as_string(hide_password=False)


def _redis_url(known: Known) -> str:
    if known["redis_url"] or not known["redis_host"]:
        return str(known["redis_url"])
    return f"redis://{known['redis_host']}:{known['redis_port']}/0"
