"""Run migrations (`flask db upgrade`, `migrate`, `downgrade`).

Each is run once, however many servers start at the same moment, and wholly or not at all.
"""

from typing import Any

import click
import sqlalchemy as sa
from alembic import context

from coupon_management_flask import models
from coupon_management_flask.db import migrating, schema
from coupon_management_flask.db.failures import is_unavailable
from coupon_management_flask.db.session import db
from coupon_management_flask.db.types import Moment, Word


def _forget_empty(_context, _revision, directives):
    """Make no file for `flask db migrate` where nothing has changed."""
    if (
        context.config.cmd_opts
        and getattr(context.config.cmd_opts, "autogenerate", False)
        and directives[0].upgrade_ops.is_empty()
    ):
        directives[:] = []


def _render_type(kind, item, _autogen_context):
    # History stands by itself. It names what the database has, not types of this application,
    # which may move.
    if kind == "type" and isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, models.Amount):
        return "sa.BigInteger()"
    if kind == "type" and isinstance(item, Word):
        return "sa.Text()"
    return False


def _configure(connection: sa.Connection, **options: Any) -> None:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        transactional_ddl=True,
        compare_type=True,
        render_item=_render_type,
        process_revision_directives=_forget_empty,
        **options,
    )


def _migrate_postgresql() -> None:
    with migrating.alone(db.engine), db.engine.connect() as connection:
        migrating.give_way(connection)
        # A migration that has to be tried again must not take back those before it.
        options = {"transaction_per_migration": True}
        _configure(connection, **options)
        remaining = migrating.Remaining(context.get_context().opts["fn"])

        def run() -> None:
            _configure(connection, **options, fn=remaining)
            context.run_migrations()

        migrating.patiently(connection, run)


def _migrate_sqlite() -> None:
    with db.engine.connect() as connection:
        # SQLite alters a table by writing it again. That must not count as deleting what refers to
        # it. The switch works outside a transaction only.
        driver = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            _configure(connection, render_as_batch=True)
            # Its one lock lets one process migrate at a time.
            with context.begin_transaction():
                context.run_migrations()
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


if context.is_offline_mode():
    raise SystemExit("Migrations run against a database; there is no offline mode.")
try:
    if db.engine.dialect.name == "sqlite":
        _migrate_sqlite()
    else:
        _migrate_postgresql()
except Exception as error:
    if not is_unavailable(error):
        raise
    raise click.ClickException(schema.explanation(error)) from error
