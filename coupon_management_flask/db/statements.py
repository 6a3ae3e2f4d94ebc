"""Hot statements, planned once for each connection of PostgreSQL."""

from collections import namedtuple
from collections.abc import Iterable
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from .dialects import is_postgresql
from .session import OUTSIDE, READING, commits_alone, db, in_transaction


class Rows(list[Any]):
    """What a statement returned."""

    def one_or_none(self) -> Any:
        if len(self) > 1:
            raise sa.exc.MultipleResultsFound("several rows where one was expected")
        return self[0] if self else None

    def one(self) -> Any:
        row = self.one_or_none()
        if row is None:
            raise sa.exc.NoResultFound("no row where one was expected")
        return row


class Prepared:
    """A hot statement, planned once for each connection of PostgreSQL: planning a join of four tables costs several times what running it does.

    Where nothing of the database is held yet it goes straight to the driver, past the session, which costs as much again. Rows have the
    statement's columns as attributes. Elsewhere it is executed like any other.
    """

    _dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

    def __init__(
        self, name: str, statement: Any, *, writes: bool = False, after: "Prepared | None" = None
    ) -> None:
        """Where the two databases need other forms, `statement` makes it, told whether it is for PostgreSQL.

        `after` is sent with it and runs first, in the same round trip: what it locks, this one sees as whoever held it has left it.
        """
        self._after = after
        self._writes = writes
        statement, self._elsewhere = (
            (statement(True), statement(False)) if callable(statement) else (statement, statement)
        )
        compiled = statement.compile(dialect=self._dialect)
        # Every parameter is written with its type: nothing is left for PostgreSQL to guess.
        self._prepares = {name: f"PREPARE {name} AS {compiled}".replace("%", "%%")}
        self._constants = {
            key: bind.value for key, bind in compiled.binds.items() if not bind.required
        }
        self._order = list(compiled.positiontup)
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(self._order))})"
        if after is not None:
            self._constants = after._constants | self._constants
            self._order = after._order + self._order
            self._execute = f"{after._execute}; {self._execute}"
            self._prepares = after._prepares | self._prepares
        self._row: Any = namedtuple("_row", [column.key for column in statement.selected_columns])  # type: ignore[misc]
        # The driver itself knows UUIDs, dates and JSON; our own types it does not.
        found = enumerate(column.type for column in statement.selected_columns)
        self._ours: list[tuple[int, Any]] = [
            (place, type_.result_processor(self._dialect, None))
            for place, type_ in found
            if isinstance(type_, sa.types.TypeDecorator)
        ]

    def execute(self, parameters: dict[str, Any]) -> Rows:
        """Its rows, inside `transaction()` or, where it does not write, alone."""
        if self._writes and not in_transaction():
            raise RuntimeError(OUTSIDE)
        if not is_postgresql():
            if self._after is not None:
                self._after.execute(parameters)
            return self._rows(db.session.execute(self._elsewhere, parameters))
        values = self._values(parameters)
        if db.session.registry.has():
            # It may hold a connection, and nobody holds two: of requests that each wait for a second one, none gets it.
            connection = db.session.connection()
            for name, prepare in self._prepares.items():
                if name not in connection.info:
                    connection.exec_driver_sql(prepare, ())
                    connection.info[name] = True
            return self._converted(connection.exec_driver_sql(self._execute, values))
        return self._run_alone(values)

    def commit(self, parameters: dict[str, Any]) -> Rows:
        """Its rows, as a transaction of its own: committed when this returns. On PostgreSQL alone, and where `commits_alone()`.

        A connection that is lost meanwhile is not tried again: nobody knows whether it was committed.
        """
        if not commits_alone():
            raise RuntimeError("there is a transaction already")
        if db.session.registry.has():
            db.session.commit()
        return self._run_once(self._values(parameters))

    def _values(self, parameters: dict[str, Any]) -> tuple[Any, ...]:
        values = {**self._constants, **parameters}
        return tuple([values[name] for name in self._order])

    def _rows(self, found: Iterable[Any]) -> Rows:
        return Rows([self._row(*row) for row in found])

    def _converted(self, found: Iterable[Any]) -> Rows:
        """The same for what the driver has returned."""
        if not self._ours:
            return self._rows(found)
        rows = [list(row) for row in found]
        for row in rows:
            for place, convert in self._ours:
                row[place] = convert(row[place])
        return self._rows(rows)

    def _run_alone(self, values: tuple[Any, ...]) -> Rows:
        try:
            return self._run_once(values)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        # PostgreSQL was started anew, and with it all connections of the pool are gone. Nothing has happened yet: once more, on a new one.
        db.engines[READING].dispose()
        return self._run_once(values)

    def _run_once(self, values: tuple[Any, ...]) -> Rows:
        engine = db.engines[READING]
        connection = None
        try:
            connection = engine.raw_connection()
            cursor = connection.cursor()
            for name, prepare in self._prepares.items():
                if name not in connection.info:
                    self._send(engine, cursor, prepare, ())
                    connection.info[name] = True
            self._send(engine, cursor, self._execute, values)
            return self._converted(cursor.fetchall())
        except psycopg2.Error as error:
            is_disconnect = connection is not None and engine.dialect.is_disconnect(
                error, connection.dbapi_connection, None
            )
            if connection is not None and is_disconnect:
                connection.invalidate(error)
            raise DBAPIError.instance(
                self._execute,
                None,
                error,
                psycopg2.Error,
                hide_parameters=True,
                connection_invalidated=is_disconnect,
                dialect=engine.dialect,
            ) from error
        finally:
            if connection is not None:
                connection.close()

    @staticmethod
    def _send(engine: sa.Engine, cursor: Any, statement: str, values: tuple[Any, ...]) -> None:
        # Who listens to the engine (our own rule against writing outside a transaction, tests, benchmarks) hears these too.
        for listener in engine.dispatch.before_cursor_execute:
            listener(None, cursor, statement, values, None, False)
        cursor.execute(statement, values)
