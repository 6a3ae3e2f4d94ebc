"""What went wrong in the database: which constraint, whether to try again, whether it is away."""

import sqlite3
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from .session import in_transaction

P = ParamSpec("P")

R = TypeVar("R")

# Deadlock, serialisation failure: PostgreSQL asks for another try.
TRY_AGAIN = {"40P01", "40001"}

TRIES = 3


def retried(use_case: Callable[P, R]) -> Callable[P, R]:
    """Run a use case again where the database broke a deadlock at its expense, three times in all.

    The use case must hold the whole transaction: inside an open one nothing is tried again.
    """

    @wraps(use_case)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, TRIES + 1):
            try:
                return use_case(*args, **kwargs)
            except DBAPIError as error:
                # Inside somebody's transaction nothing is left to try: all of it was rolled back.
                if attempt == TRIES or in_transaction() or sqlstate(error) not in TRY_AGAIN:
                    raise
        raise AssertionError("unreachable")

    return run


def sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "pgcode", None)


def broken_constraint(error: IntegrityError) -> str:
    """Return what was violated: a constraint's name on PostgreSQL, table.column pairs on SQLite."""
    diag = getattr(error.orig, "diag", None)
    return str(diag.constraint_name) if diag is not None else str(error.orig)


def is_unavailable(error: Exception) -> bool:
    """Return whether the database was away or too busy, as opposed to a statement being wrong."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or isinstance(error, sa.exc.InterfaceError):
        return True
    state = sqlstate(error) or ""
    # 08: connection, 53: out of resources, 57P: shutting down or starting up,
    # 55P03: waited too long for a lock.
    if (
        state[:2] in {"08", "53"}
        or state.startswith("57P")
        or state == "55P03"
        or state in TRY_AGAIN
    ):
        return True
    if isinstance(error.orig, sqlite3.OperationalError):
        return any(
            words in str(error.orig)
            for words in (
                "database is locked",
                "unable to open",
                "disk I/O",
                "disk is full",
                "readonly database",
            )
        )
    # psycopg2 could not connect at all: an OperationalError without a state.
    return isinstance(error, sa.exc.OperationalError) and not state
