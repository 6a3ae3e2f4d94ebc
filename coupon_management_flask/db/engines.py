"""Engines and connections: how each database is opened, and what its connections are told."""

import re
import sqlite3
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from .session import OUTSIDE, READING, db

# Of one worker of the server. Most of the time a thread waits, and holds no connection.
SERVER_THREADS = 32


def init_app(app: Flask, url: str) -> None:
    """Open engines for this URL, one that reads in autocommit and one that begins transactions."""
    options = _engine_options(url)
    is_sqlite = url.startswith("sqlite")
    # SQLite's connections are in autocommit once the driver's own BEGIN is off.
    reading = options
    if not is_sqlite:
        # Where each statement is alone, nothing is left to roll back.
        reading = {**options, "isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    app.config["SQLALCHEMY_BINDS"] = {READING: {"url": url, **reading}}
    if is_sqlite:
        # Where it can't be made, who opens the database says what is wrong.
        with suppress(OSError):
            Path(str(sa.make_url(url).database)).parent.mkdir(parents=True, exist_ok=True)
    db.init_app(app)
    with app.app_context():
        engines = db.engines
    sa.event.listen(engines[READING], "before_cursor_execute", _read_only)
    if is_sqlite:
        for engine in engines.values():
            sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engines[None], "begin", _begin_immediate)


def _engine_options(url: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "pool_size": 10,
        "max_overflow": 6,
        "pool_timeout": 5,
        # The connection that was used last is the one whose process has everything at hand.
        "pool_use_lifo": True,
        # An error's text goes to the log, and a statement's parameters may be codes.
        "hide_parameters": True,
    }
    if url.startswith("postgresql"):
        server_settings = {
            "lock_timeout": "10s",
            # Whoever died in the middle of a transaction must not hold its locks for long.
            "idle_in_transaction_session_timeout": "30s",
            "timezone": "UTC",
            # What is prepared was prepared because planning it costs more than running it, so it is
            # planned once, even where PostgreSQL takes a plan for the values at hand to be cheap.
            "plan_cache_mode": "force_generic_plan",
            # Compiling a statement to machine code takes longer than any of ours runs.
            "jit": "off",
        }
        options["pool_recycle"] = 1800
        options["connect_args"] = {
            "connect_timeout": 3,
            "application_name": "coupons",
            "options": " ".join(f"-c {name}={value}" for name, value in server_settings.items()),
        }
    return options


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions by itself, deferred. We begin them, immediate.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@lru_cache(maxsize=1000)
def _writes(statement: str) -> bool:
    return re.search(
        r"\b(INSERT|UPDATE|DELETE|MERGE)\b", statement
    ) is not None and not statement.startswith("PREPARE")


def _read_only(_connection: object, _cursor: object, statement: str, *_: object) -> None:
    if _writes(statement):
        raise RuntimeError(OUTSIDE)
