"""Migrating a PostgreSQL database that is in use.

A statement that waits for a lock stops everybody who comes to the table after it, readers too. So a
migration waits for seconds, gives way, and tries again. SQLite has one lock for everything, and
needs none of this.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import sqlalchemy as sa
import structlog
from alembic import op
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from .failures import TRY_AGAIN, sqlstate

# How long everybody else waits behind a migration that waits.
LOCK_TIMEOUT = "3s"
# How long those who waited have the table for themselves.
PAUSE_SECONDS = 2.0
# Five minutes in all.
TRIES = 60
# How long to wait for another process that migrates, which may be making a large index.
OTHERS_SECONDS = 600.0
LOOK_SECONDS = 0.5
# Any number that nothing else on the database uses.
MIGRATION_LOCK = 7305_1977

LOCK_NOT_AVAILABLE = "55P03"
LONGEST_STATEMENT = 200

Steps = Callable[[Any, MigrationContext], Iterable[Any]]
"""What alembic asks for the steps of a command."""

log = structlog.get_logger(__name__)
_pause = Event()


@contextmanager
def alone(engine: sa.Engine) -> Iterator[None]:
    """Let one process migrate at a time.

    The lock belongs to a transaction of its own, not to a session: behind a pooler in transaction
    mode a session's lock would stay with whichever connection came by. It is asked for again and
    again instead of waited for: an index that is made CONCURRENTLY waits for every statement that
    is running, and so for one that waits for this lock.

    Raises: SystemExit where another process migrates for too long.
    """
    with engine.connect() as connection:
        waited = 0.0
        while not _took_lock(connection):
            if waited == 0:
                log.warning("migration.waits", waits_for="another process that migrates")
            if waited >= OTHERS_SECONDS:
                raise SystemExit(
                    f"Another process has been migrating for {waited:.0f} seconds. "
                    "Start again when it is done."
                )
            _pause.wait(LOOK_SECONDS)
            waited += LOOK_SECONDS
        yield
        connection.rollback()


def _took_lock(connection: sa.Connection) -> bool:
    # It is idle for as long as the others take. A machine that dies must not keep it.
    for setting in ("idle_in_transaction_session_timeout = 0", "tcp_keepalives_idle = 30"):
        connection.execute(sa.text(f"SET LOCAL {setting}"))
    took = connection.scalar(
        sa.text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK}
    )
    if not took:
        connection.rollback()
    return bool(took)


def give_way(connection: sa.Connection) -> None:
    """Have every transaction of this connection wait for a lock for seconds at most."""

    @sa.event.listens_for(connection, "begin")
    def _wait_for_seconds(begun: sa.Connection) -> None:
        if begun.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            begun.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")


class Remaining:
    """The steps of a command that are not committed yet.

    They are asked for once. A command that says how far ("downgrade -2") would otherwise go as far
    again with each try.
    """

    def __init__(self, steps: Steps) -> None:
        self._asked_for = steps
        self._left: list[Any] | None = None

    def __call__(self, heads: Any, context: MigrationContext) -> Iterator[Any]:
        if self._left is None:
            self._left = list(self._asked_for(heads, context))
        while self._left:
            yield self._left[0]
            # Alembic asks for the next step after it has committed this one.
            self._left.pop(0)


def patiently(connection: sa.Connection, run: Callable[[], None]) -> None:
    """Run the steps that remain, again and again where one does not get its lock.

    Raises: SystemExit where it does not get it after some minutes. What was done before stays.
    """
    for number in range(1, TRIES + 1):
        try:
            run()
            return
        except DBAPIError as error:
            connection.rollback()
            if sqlstate(error) not in {LOCK_NOT_AVAILABLE, *TRY_AGAIN}:
                raise
            statement = " ".join(str(error.statement).split())[:LONGEST_STATEMENT]
            told = {"waits_for": f"a lock: {statement}", "holder": _oldest_transaction(connection)}
            log.warning("migration.waits", **told, attempt=number, attempts=TRIES)
            if number == TRIES:
                raise SystemExit(
                    f"A migration did not get its lock in {TRIES} tries: {statement}. "
                    f"{told['holder']} Start again when it has ended."
                ) from None
        _pause.wait(PAUSE_SECONDS)


def _oldest_transaction(connection: sa.Connection) -> str:
    """Say which transaction has been open for longest: most likely it is in the way."""
    found = connection.execute(
        sa.text(
            "SELECT pid, coalesce(nullif(application_name, ''), 'no name'), state,"
            " CAST(extract(epoch FROM clock_timestamp() - xact_start) AS integer)"
            " FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND xact_start IS NOT NULL AND NOT EXISTS (SELECT FROM pg_locks"
            " WHERE pg_locks.pid = pg_stat_activity.pid AND locktype = 'advisory'"
            " AND objid = :number) ORDER BY xact_start LIMIT 1"
        ),
        {"number": MIGRATION_LOCK},
    ).one_or_none()
    connection.rollback()
    if found is None:
        return "No transaction is open any more."
    pid, name, state, seconds = found
    return f"The oldest transaction is that of process {pid} ({name}, {state}), {seconds} s old."


def create_index(name: str, table: str, columns: list[Any], **options: Any) -> None:
    """Make an index on a table that is in use, without stopping who writes to it.

    What the migration did before is committed first, so such indexes stand in a migration of their
    own. It may be run again: what an attempt left behind that failed is made anew.
    """
    context = op.get_context()
    if context.dialect.name != "postgresql":
        op.create_index(name, table, columns, **options)
        return
    with context.autocommit_block():
        if _is_invalid(name):
            op.drop_index(name, table, postgresql_concurrently=True)
        # One that is there and valid was made by a process that died before it could say so.
        op.create_index(
            name, table, columns, postgresql_concurrently=True, if_not_exists=True, **options
        )


def drop_index(name: str, table: str) -> None:
    """Drop an index of a table that is in use, without stopping who reads or writes it."""
    context = op.get_context()
    if context.dialect.name != "postgresql":
        op.drop_index(name, table)
        return
    with context.autocommit_block():
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)


def _is_invalid(name: str) -> bool:
    invalid = sa.text(
        "SELECT true FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid"
    )
    return bool(op.get_bind().scalar(invalid, {"name": name}))
