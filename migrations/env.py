"""Run migrations (`flask db upgrade`, `migrate`, `downgrade`).

All of them are run or none, and once, however many servers start at the same moment.
"""

import click
import sqlalchemy as sa
from alembic import context

from coupon_management_flask import models
from coupon_management_flask.db import schema
from coupon_management_flask.db.failures import is_unavailable
from coupon_management_flask.db.session import db
from coupon_management_flask.db.types import Moment, Word

# Any number that nothing else on the database uses.
MIGRATION_LOCK = 7305_1977


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


def _migrate() -> None:
    with db.engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        # SQLite alters a table by writing it again. That must not count as deleting what refers to
        # it. The switch works outside a transaction only.
        if is_sqlite:
            connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_as_batch=is_sqlite,
            transactional_ddl=True,
            compare_type=True,
            render_item=_render_type,
            process_revision_directives=_forget_empty,
        )
        try:
            with context.begin_transaction():
                if not is_sqlite:
                    connection.execute(sa.text("SET LOCAL lock_timeout = '5min'"))
                    connection.execute(
                        sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK}
                    )
                context.run_migrations()
        finally:
            if is_sqlite:
                connection.connection.driver_connection.execute("PRAGMA foreign_keys = ON")


if context.is_offline_mode():
    raise SystemExit("Migrations run against a database; there is no offline mode.")
try:
    _migrate()
except Exception as error:
    if not is_unavailable(error):
        raise
    raise click.ClickException(schema.explanation(error)) from error
