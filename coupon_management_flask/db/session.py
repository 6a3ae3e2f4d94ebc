"""The database: two kinds of session, one way to write.

Outside `transaction()` every statement is its own transaction (autocommit): the guard and GETs read that way.
Inside it there is one transaction, and only there may anything be written. On SQLite it begins with BEGIN IMMEDIATE:
a transaction that reads first and writes later would fail at once, whatever the busy timeout, when somebody else wrote in between.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import sqlalchemy as sa
from flask import Flask
from flask.globals import app_ctx
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session

P = ParamSpec("P")
R = TypeVar("R")

AnyRow = sa.Row[*tuple[Any, ...]]
AnySelect = sa.Select[*tuple[Any, ...]]

# A constraint's name tells which rule was broken; `broken_constraint` gives it back.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# Deadlock, serialisation failure: PostgreSQL asks for another try.
TRY_AGAIN = {"40P01", "40001"}
TRIES = 3

OUTSIDE = "write inside `with transaction():`, or not at all"

# Threads of one worker of the server (cli.py starts it with these many). Most of the time a thread waits, and holds no connection.
SERVER_THREADS = 32

# Flask-SQLAlchemy's name for the engine whose connections stay in autocommit; the default engine's begin transactions.
READING = "reading"


class Moment(sa.types.TypeDecorator[datetime]):
    """A point in time, always aware and UTC in Python, on SQLite too (which stores no zone)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Base(DeclarativeBase):
    registry = sa.orm.registry(metadata=sa.MetaData(naming_convention=NAMING_CONVENTION), type_annotation_map={datetime: Moment(), str: sa.Text()})


class RoutedSession(FlaskSession):
    """Reads in autocommit, or belongs to the open `transaction()`."""

    def get_bind(self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any) -> Any:
        return db.engine if self.info.get("writes") else db.engines[READING]


class _OpenTransaction:
    """Marks the context as being inside `transaction()`, and tells its session from all others."""


_open: ContextVar[_OpenTransaction | None] = ContextVar("open_transaction", default=None)
_held: ContextVar["HeldCommit | None"] = ContextVar("held_commit", default=None)


def _session_scope() -> int:
    return id(_open.get() or app_ctx._get_current_object())  # type: ignore[attr-defined]


db = SQLAlchemy(
    model_class=_Base,
    session_options={"class_": RoutedSession, "scopefunc": _session_scope, "expire_on_commit": False},
)

if TYPE_CHECKING:
    Model = _Base
else:
    Model = db.Model


@contextmanager
def transaction(*, at_once: bool = False) -> Iterator[None]:
    """All that happens inside is committed together when the block ends, or rolled back when it raises.

    A `transaction()` inside another joins it: the outermost decides. It starts with nothing loaded, so that nothing read
    before it is believed; what it returns stays readable afterwards. With `at_once` the commit is never held back for a request's
    answer: for what must be seen by others, or stay, whatever becomes of the request.
    """
    if _open.get() is not None:
        yield
        return
    held = _held.get()
    if held is not None:
        held.settle()
    if db.session.registry.has():
        # What was read stays; its connection goes back, so that a request never holds two.
        db.session.commit()
    token = _open.set(_OpenTransaction())
    session = db.session()
    session.info["writes"] = True
    try:
        yield
        session.flush()
        if held is not None and not at_once:
            held.take(session)
        else:
            session.commit()
            session.close()
    except BaseException:
        session.close()
        raise
    finally:
        db.session.registry.clear()
        _open.reset(token)


def in_transaction() -> bool:
    return _open.get() is not None


def commits_alone() -> bool:
    """Whether a statement that is sent now would be a transaction by itself: none is open, and no commit is held back for a request's answer."""
    return _open.get() is None and _held.get() is None


def before_waiting() -> None:
    """To be called before another service is: nothing of the database may be held meanwhile. Refuses inside a transaction."""
    if _open.get() is not None:
        raise RuntimeError("no other service is called inside a transaction")
    held = _held.get()
    if held is not None:
        held.settle()
    db.session.remove()


class HeldCommit:
    """The commit of a request's last transaction, held back until its answer is known.

    An Idempotency-Key's answer must be stored in the very transaction that did the work, and only the view knows the answer.
    """

    def __init__(self) -> None:
        self._session: Session | None = None

    def take(self, session: Session) -> None:
        self._session = session

    def settle(self) -> None:
        """Commits what is held, if anything."""
        if self._session is not None:
            session, self._session = self._session, None
            with session:
                session.commit()

    def finish(self, last_words: Callable[[Session], None]) -> None:
        """Runs `last_words` in the held transaction, or in one of its own where none is held, and commits."""
        if self._session is None:
            with transaction():
                last_words(db.session())
        else:
            last_words(self._session)
        self.settle()

    def drop(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            session.close()


@contextmanager
def held_commit() -> Iterator[HeldCommit]:
    """Inside, `transaction()` hands its commit over. Whatever is still held when the block raises is rolled back."""
    held = HeldCommit()
    token = _held.set(held)
    try:
        yield held
    finally:
        held.drop()
        _held.reset(token)


def retried(use_case: Callable[P, R]) -> Callable[P, R]:
    """Runs a use case again, three times in all, when the database broke a deadlock at its expense."""

    @wraps(use_case)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, TRIES + 1):
            try:
                return use_case(*args, **kwargs)
            except DBAPIError as error:
                # Inside somebody's transaction there is nothing left to try in: the whole of it was rolled back.
                if attempt == TRIES or _open.get() is not None or sqlstate(error) not in TRY_AGAIN:
                    raise
        raise AssertionError("unreachable")

    return run


def sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "pgcode", None)


def broken_constraint(error: IntegrityError) -> str:
    """What the database says was violated: the constraint's name on PostgreSQL, table.column pairs on SQLite."""
    diag = getattr(error.orig, "diag", None)
    return str(diag.constraint_name) if diag is not None else str(error.orig)


def is_unavailable(error: Exception) -> bool:
    """Whether the database could not be reached or could not take us now, as opposed to a statement being wrong."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or isinstance(error, sa.exc.InterfaceError):
        return True
    state = sqlstate(error) or ""
    # 08: connection, 53: out of resources, 57P: shutting down or starting up, 55P03: waited too long for a lock.
    if state[:2] in {"08", "53"} or state.startswith("57P") or state == "55P03" or state in TRY_AGAIN:
        return True
    if isinstance(error.orig, sqlite3.OperationalError):
        return any(words in str(error.orig) for words in ("database is locked", "unable to open", "disk I/O"))
    # psycopg2 could not connect at all: an OperationalError without a state.
    return isinstance(error, sa.exc.OperationalError) and not state


def one_of(column: Any, name: str, type_: Any, *, on_postgresql: bool) -> Any:
    """Whether a column is among the values of a parameter, in a form that PostgreSQL can prepare (an array) or SQLite can read (a list)."""
    if on_postgresql:
        return column == sa.any_(sa.bindparam(name, type_=postgresql.ARRAY(type_)))
    return column.in_(sa.bindparam(name, expanding=True, type_=type_))


def upsert(table: Any) -> Any:
    """INSERT with ON CONFLICT, for the database at hand."""
    return (sqlite if db.engine.dialect.name == "sqlite" else postgresql).insert(table)


def rows_changed(result: Any) -> int:
    """How many rows an UPDATE or DELETE has met."""
    return int(result.rowcount)


def is_postgresql() -> bool:
    return db.engine.dialect.name == "postgresql"


def init_app(app: Flask, url: str) -> None:
    options = _engine_options(url)
    is_sqlite = url.startswith("sqlite")
    # SQLite's connections are in autocommit by themselves once the driver's own BEGIN is off. Where each statement is alone, nothing is left to roll back.
    reading = options if is_sqlite else {**options, "isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    app.config["SQLALCHEMY_BINDS"] = {READING: {"url": url, **reading}}
    if is_sqlite:
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
    # Last in, first out: the connection that was used last is the one whose process has everything at hand.
    # An error's text goes to the log, and a statement's parameters may be codes.
    options: dict[str, Any] = {"pool_size": 10, "max_overflow": 6, "pool_timeout": 5, "pool_use_lifo": True, "hide_parameters": True}
    if url.startswith("postgresql"):
        # Whoever died in the middle of a transaction must not hold its locks for long. What is prepared is planned once, however cheap
        # PostgreSQL thinks a plan for the values at hand would be: it was prepared because planning costs more.
        limits = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=30s -c timezone=UTC -c plan_cache_mode=force_generic_plan"
        # Compiling a statement to machine code takes longer than any of ours runs.
        limits += " -c jit=off"
        options |= {"pool_recycle": 1800, "connect_args": {"connect_timeout": 3, "application_name": "coupons", "options": limits}}
    return options


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own BEGIN is deferred, see above: it never gets to say it.
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
    return re.search(r"\b(INSERT|UPDATE|DELETE|MERGE)\b", statement) is not None and not statement.startswith("PREPARE")


def _read_only(_connection: object, _cursor: object, statement: str, *_: object) -> None:
    if _writes(statement):
        raise RuntimeError(OUTSIDE)


@sa.event.listens_for(RoutedSession, "before_flush")
def _write_only_in_a_transaction(session: Session, *_: object) -> None:
    if not session.info.get("writes"):
        raise RuntimeError(OUTSIDE)
