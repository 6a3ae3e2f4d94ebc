"""Hot statements, planned once for each connection of PostgreSQL."""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError

from .dialects import is_postgresql
from .session import OUTSIDE, READING, commits_alone, db, in_transaction

# A namedtuple of the statement's columns, whose names only the statement knows.
Row = Any
# One that writes does so in CTEs and ends with a SELECT.
Statement = sa.Select[*tuple[Any, ...]]
Parameters = Mapping[str, object]


class Rows(list[Row]):
    """The rows that a statement returned."""

    def one_or_none(self) -> Row:
        if len(self) > 1:
            raise sa.exc.MultipleResultsFound("several rows where one was expected")
        return self[0] if self else None

    def one(self) -> Row:
        row = self.one_or_none()
        if row is None:
            raise sa.exc.NoResultFound("no row where one was expected")
        return row


class Prepared:
    """A hot statement, planned once for each connection of PostgreSQL.

    Planning a join of four tables costs several times what running it does.
    Where the request holds nothing of the database yet, the statement goes straight to the driver,
    past the session, which costs as much again.
    Rows have the statement's columns as attributes.
    On SQLite it is executed like any other statement.
    """

    _dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

    def __init__(
        self,
        name: str,
        statement: Statement | Callable[[bool], Statement],
        *,
        writes: bool = False,
        after: "Prepared | None" = None,
    ) -> None:
        """Compile a statement that will be prepared under this name.

        Where the two databases need other forms, `statement` is a function that makes it, told
        whether it is for PostgreSQL.
        `after` is sent with it and runs first, in the same round trip. What `after` locks, this
        statement sees as the lock's last holder left it.
        """
        self._after = after
        self._writes = writes
        if callable(statement):
            prepared, self._elsewhere = statement(True), statement(False)
        else:
            prepared = self._elsewhere = statement
        compiled: Any = prepared.compile(dialect=self._dialect)
        # Every parameter is written with its type, so that PostgreSQL has nothing to guess.
        self._prepares = {name: f"PREPARE {name} AS {compiled}".replace("%", "%%")}
        self._constants: dict[str, object] = {
            key: bind.value for key, bind in compiled.binds.items() if not bind.required
        }
        self._order: list[str] = list(compiled.positiontup)
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(self._order))})"
        if after is not None:
            self._constants = after._constants | self._constants
            self._order = after._order + self._order
            self._execute = f"{after._execute}; {self._execute}"
            self._prepares = after._prepares | self._prepares
        columns = list(prepared.selected_columns)
        self._row: Callable[..., Row] = namedtuple("_row", [column.key for column in columns])  # type: ignore[misc]
        # The driver itself knows UUIDs, dates and JSON. Our own types it does not know.
        self._ours: list[tuple[int, Callable[[object], object]]] = [
            (place, convert)
            for place, column in enumerate(columns)
            if isinstance(column.type, sa.types.TypeDecorator)
            and (convert := column.type.result_processor(self._dialect, None)) is not None
        ]

    def execute(self, parameters: Parameters) -> Rows:
        """Return its rows, inside `transaction()` or, where it does not write, by itself."""
        if self._writes and not in_transaction():
            raise RuntimeError(OUTSIDE)
        if not is_postgresql():
            if self._after is not None:
                self._after.execute(parameters)
            return self._rows(db.session.execute(self._elsewhere, parameters))
        values = self._values(parameters)
        if not db.session.registry.has():
            return self._run_alone(values)
        # The session may hold a connection, and nobody may hold two: of requests that each wait for
        # a second one, none gets it.
        connection = db.session.connection()
        for name, prepare in self._prepares.items():
            if name not in connection.info:
                connection.exec_driver_sql(prepare, ())
                connection.info[name] = True
        return self._converted(connection.exec_driver_sql(self._execute, values))

    def commit(self, parameters: Parameters) -> Rows:
        """Return its rows as a transaction of its own, committed when this returns.

        It is for PostgreSQL alone, and for where `commits_alone()`.
        Where the connection is lost meanwhile it is not tried again: nobody knows whether it was
        committed.
        """
        if not commits_alone():
            raise RuntimeError("there is a transaction already")
        if db.session.registry.has():
            db.session.commit()
        return self._run_once(self._values(parameters))

    def _values(self, parameters: Parameters) -> tuple[object, ...]:
        values = {**self._constants, **parameters}
        return tuple([values[name] for name in self._order])

    def _rows(self, found: Iterable[Sequence[object]]) -> Rows:
        return Rows([self._row(*row) for row in found])

    def _converted(self, found: Iterable[Sequence[object]]) -> Rows:
        """Return what the driver has returned, with our own types converted."""
        if not self._ours:
            return self._rows(found)
        rows = [list(row) for row in found]
        for row in rows:
            for place, convert in self._ours:
                row[place] = convert(row[place])
        return self._rows(rows)

    def _run_alone(self, values: tuple[object, ...]) -> Rows:
        try:
            return self._run_once(values)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        # PostgreSQL was started anew, and all connections of the pool are gone with it. Nothing has
        # happened yet: try once more, on a new connection.
        db.engines[READING].dispose()
        return self._run_once(values)

    def _run_once(self, values: tuple[object, ...]) -> Rows:
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
    def _send(
        engine: sa.Engine, cursor: DBAPICursor, statement: str, values: tuple[object, ...]
    ) -> None:
        # Those who listen to the engine (our own rule against writing outside a transaction, tests,
        # benchmarks) hear these statements too.
        for listener in engine.dispatch.before_cursor_execute:
            listener(None, cursor, statement, values, None, False)
        cursor.execute(statement, values)
