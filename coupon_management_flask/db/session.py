"""Sessions and transactions: how the database is read, and the one way to write.

A request is always in one of these modes:

    mode                      begins with             reads          writes   commits
    autocommit (default)      nothing                 yes, each      never    nothing to commit
                                                      statement
                                                      by itself
    `with transaction():`     BEGIN (SQLite: BEGIN    yes, in one    yes      at the end of the
                              IMMEDIATE)              transaction             outermost block
    inside `held_commit()`    the same                the same       the same the block's last
                                                                              transaction, by
                                                                              `HeldCommit.finish`
    `Prepared.commit`         one message to          in that one    yes      by PostgreSQL itself
                              PostgreSQL              statement

The guard and GETs read in autocommit. On SQLite a transaction begins with BEGIN IMMEDIATE: one that
reads first and writes later would fail at once when somebody else wrote in between, whatever the
busy timeout.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa
from flask.globals import app_ctx
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy.orm import DeclarativeBase, Session

from .types import Moment

AnySelect = sa.Select[*tuple[Any, ...]]

# A constraint's name tells which rule was broken. `failures.broken_constraint` reads it.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

OUTSIDE = "write inside `with transaction():`, or not at all"

# The bind whose connections stay in autocommit. The default engine's begin transactions.
READING = "reading"


class _Base(DeclarativeBase):
    registry = sa.orm.registry(
        metadata=sa.MetaData(naming_convention=NAMING_CONVENTION),
        type_annotation_map={datetime: Moment(), str: sa.Text()},
    )


class RoutedSession(FlaskSession):
    """A session that reads in autocommit, or belongs to the open `transaction()`."""

    def get_bind(
        self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
    ) -> Any:
        return db.engine if self.info.get("writes") else db.engines[READING]


class _OpenTransaction:
    """Mark a context as being inside `transaction()`. Its identity is the session's scope."""


_open: ContextVar[_OpenTransaction | None] = ContextVar("open_transaction", default=None)


class CommitHolder(Protocol):
    """Takes a commit over from `transaction()`; see held_commit.py."""

    def take(self, session: Session) -> None: ...

    def settle(self) -> None: ...


commit_holder: ContextVar[CommitHolder | None] = ContextVar("commit_holder", default=None)


def _session_scope() -> int:
    return id(_open.get() or app_ctx._get_current_object())  # type: ignore[attr-defined]


db = SQLAlchemy(
    model_class=_Base,
    session_options={
        "class_": RoutedSession,
        "scopefunc": _session_scope,
        "expire_on_commit": False,
    },
)

if TYPE_CHECKING:
    Model = _Base
else:
    Model = db.Model


@contextmanager
def transaction(*, at_once: bool = False) -> Iterator[None]:
    """Commit everything inside together when the block ends, or roll it back when the block raises.

    A `transaction()` inside another joins it: the outermost block decides.
    It starts with nothing loaded, so that nothing read before it is believed.
    Rows that were loaded inside stay readable afterwards.
    With `at_once` the commit is never held back for a request's answer. Use it for what others must
    see, or what must stay, whatever becomes of the request.
    """
    if _open.get() is not None:
        yield
        return
    held = commit_holder.get()
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
    """Return whether a statement sent now would be a transaction by itself.

    It would where no transaction is open and no commit is held back for a request's answer.
    """
    return _open.get() is None and commit_holder.get() is None


def before_waiting() -> None:
    """Let go of the database before another service is called.

    Raises: RuntimeError inside a transaction, which would hold its locks for as long as the other
    service takes.
    """
    if _open.get() is not None:
        raise RuntimeError("no other service is called inside a transaction")
    held = commit_holder.get()
    if held is not None:
        held.settle()
    db.session.remove()


@sa.event.listens_for(RoutedSession, "before_flush")
def _write_only_in_a_transaction(session: Session, *_: object) -> None:
    if not session.info.get("writes"):
        raise RuntimeError(OUTSIDE)
