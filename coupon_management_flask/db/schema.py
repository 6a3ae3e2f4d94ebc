"""Whether the database has the tables of this release, and what to tell operators of it."""

from enum import StrEnum
from functools import cache

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from .failures import is_unavailable, sqlstate
from .session import db

_UNDEFINED_TABLE = "42P01"


class Schema(StrEnum):
    """How the tables of the database stand to this release."""

    KNOWN = "known"
    NONE = "none"
    OLDER = "older"
    NEWER = "newer"


_SENTENCES = {
    Schema.NONE: "has no tables of this service; `flask db upgrade` makes them",
    Schema.OLDER: "has the schema of an older release; `flask db upgrade` brings it up to date",
    Schema.NEWER: "has a schema that this release does not know; it belongs to a newer one",
}


def look() -> Schema:
    """Compare the schema with that of this release: one small SELECT."""
    try:
        version = db.session.scalar(sa.text("SELECT version_num FROM alembic_version"))
    except DBAPIError as error:
        if sqlstate(error) == _UNDEFINED_TABLE or "no such table" in str(error.orig):
            return Schema.NONE
        raise
    newest, all_known = _versions(current_app.extensions["migrate"].directory)
    if version is None:
        return Schema.NONE
    if version == newest:
        return Schema.KNOWN
    return Schema.OLDER if version in all_known else Schema.NEWER


@cache
def _versions(directory: str) -> tuple[str | None, frozenset[str]]:
    """Return the newest migration of this release and all of them.

    Their files are read once: that takes as long as many requests.
    """
    scripts = ScriptDirectory(directory)
    return scripts.get_current_head(), frozenset(one.revision for one in scripts.walk_revisions())


def name_of(url: sa.URL) -> str:
    """Name a database for people, without its password and without options that may hold one."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite {url.database}"
    given = url.query.get("host", ())
    several = (given,) if isinstance(given, str) else given
    hosts = ", ".join(several) or f"{url.host}:{url.port or 5432}"
    return f"PostgreSQL {url.database} at {hosts} as {url.username}"


def refusal() -> str | None:
    """Return in a sentence why this database can't be served, or None.

    It is away, or its schema is not that of this release.
    """
    try:
        sentence = _SENTENCES.get(look())
    except SQLAlchemyError as error:
        if not isinstance(error, DBAPIError | sa.exc.TimeoutError):
            raise
        return _told(f"is not available: {_first_line(error)}")
    finally:
        db.session.remove()
    return None if sentence is None else _told(sentence)


def explanation(error: SQLAlchemyError) -> str | None:
    """Return in a sentence which fault of the database an error came from.

    Return None where the database is as it should be, and the fault is ours.
    """
    if is_unavailable(error):
        return _told(f"is not available: {_first_line(error)}")
    return refusal()


def _told(what: str) -> str:
    return f"The database ({name_of(db.engine.url)}) {what}."


def _first_line(error: SQLAlchemyError) -> str:
    # The error itself goes on with the statement and a link.
    cause = error.orig if isinstance(error, DBAPIError) else error
    return next(iter(str(cause).splitlines()), type(cause).__name__).rstrip(". ")
