"""Migrations: up, down and up again on both databases, no difference to the models, and each constraint really there."""

import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from flask_migrate import downgrade, upgrade

from coupon_management_flask import create_app
from coupon_management_flask.core import clock
from coupon_management_flask.database import broken_constraint, db
from coupon_management_flask.models import new_id

from .conftest import DATABASES, settings_for
from .support.postgres import create_database, drop_database
from .support.server import FLASK, ROOT, environment, run_flask

REVISIONS = [script.revision for script in reversed(list(ScriptDirectory(str(ROOT / "migrations")).walk_revisions()))]


@pytest.fixture(params=DATABASES)
def empty_database(request, postgres, tmp_path) -> Iterator[str]:
    """The URL of a database in which there is nothing at all."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/coupons.db"
        return
    yield create_database(postgres, "coupons_empty").render_as_string(hide_password=False)
    drop_database(postgres, "coupons_empty")


@pytest.fixture
def migrating(empty_database: str) -> Iterator[None]:
    """An application on that database, its context pushed."""
    app = create_app(settings_for(empty_database))
    with app.app_context():
        yield
        for engine in current_app.extensions["engines"]:
            engine.dispose()


def tables() -> set[str]:
    return set(sa.inspect(db.engine).get_table_names())


def differences() -> list[Any]:
    """What the models say and the database does not, or the reverse."""
    with db.engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), db.metadata)


@pytest.mark.usefixtures("migrating")
def test_up_from_nothing_down_to_nothing_and_up_again():
    assert tables() == set()

    for _ in range(2):
        upgrade()
        assert tables() == {"alembic_version", *db.metadata.tables}
        assert differences() == []

        downgrade(revision="base")
        assert tables() == {"alembic_version"}


@pytest.mark.usefixtures("migrating")
def test_each_revision_can_be_undone_and_done_again():
    for revision in REVISIONS:
        upgrade(revision=revision)
        downgrade(revision="-1")
        upgrade(revision=revision)
    assert differences() == []


def test_history_is_one_line():
    assert len(ScriptDirectory(str(ROOT / "migrations")).get_heads()) == 1


def test_an_operator_is_told_that_nothing_is_left_to_migrate(empty_database):
    run_flask("db", "upgrade", database_url=empty_database)

    check = run_flask("db", "check", database_url=empty_database, check=False)

    assert check.returncode == 0, check.stderr
    assert "No new upgrade operations detected." in check.stdout + check.stderr


def test_servers_that_start_at_the_same_moment_migrate_once(empty_database):
    servers = [
        subprocess.Popen([*FLASK, "db", "upgrade"], env=environment(empty_database), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(3)
    ]

    told = [server.communicate(timeout=120)[0] for server in servers]

    assert [server.returncode for server in servers] == [0, 0, 0], told
    assert run_flask("db", "current", database_url=empty_database).stdout.split() == [REVISIONS[-1], "(head)"]


_numbers = count(1)


def _text() -> str:
    return f"text {next(_numbers)}"


# A row of each table that the database accepts; `make` writes a row that it refers to and gives it back.
Make = Callable[[str], dict[str, Any]]
ROWS: dict[str, Callable[[Make], dict[str, Any]]] = {
    "accounts": lambda make: {
        "id": new_id(),
        "kind": "user",
        "username": "x",
        "username_key": _text(),
        "email": "x",
        "email_key": _text(),
        "password_hash": "x",
        "name": "x",
        "surname": "",
        "role": "user",
        "is_active": True,
        "created_at": clock.now(),
    },
    "sessions": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "issued_by": "x",
        "refresh_id": new_id(),
        "created_at": clock.now(),
        "expires_at": clock.now(),
    },
    "api_keys": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "digest": _text(),
        "permissions": [],
        "created_at": clock.now(),
        "expires_at": clock.now(),
    },
    "guess_logs": lambda make: {"subject": _text(), "moments": [], "updated_at": clock.now()},
    "stocks": lambda make: {"id": new_id(), "capacity": 5, "claimed": 5},
    "redemptions": lambda make: {
        "id": new_id(),
        "stock_id": make("stocks")["id"],
        "claim_key": _text(),
        "units": 1,
        "kind": "credit",
        "account_id": make("accounts")["id"],
        "amount": 0,
        "created_at": clock.now(),
    },
    "wallets": lambda make: {"account_id": make("accounts")["id"], "balance": 0},
    "ledger_entries": lambda make: {
        "id": new_id(),
        "account_id": make("wallets")["account_id"],
        "amount": 0,
        "balance_after": 0,
        "reason": "x",
        "created_at": clock.now(),
    },
    "credit_coupons": lambda make: {
        "id": new_id(),
        "name": "x",
        "value": 0,
        "hidden_code": "x",
        "hidden_code_key": _text(),
        "stock_id": make("stocks")["id"],
        "expiration_date": clock.now(),
        "is_active": True,
        "created_at": clock.now(),
    },
    "idempotency_keys": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "key": _text(),
        "fingerprint": "x",
        "lease_id": new_id(),
        "leased_until": clock.now(),
        "created_at": clock.now(),
    },
    "outbox_messages": lambda make: {"id": new_id(), "topic": "x", "payload": {}, "created_at": clock.now(), "due_at": clock.now(), "attempts": 0},
    "leases": lambda make: {"name": _text(), "leased_until": clock.now()},
}

# What makes such a row break each CHECK.
BREAKS: dict[str, list[dict[str, Any]]] = {
    "ck_accounts_kind": [{"kind": "robot"}],
    "ck_accounts_role": [{"role": "owner"}],
    "ck_accounts_username": [{"username_key": None}, {"kind": "service", "username_key": None}],
    "ck_accounts_company_email": [{"kind": "company", "email_key": None}],
    "ck_accounts_password": [{"password_hash": None}, {"kind": "company", "password_hash": None}],
    "ck_credit_coupons_value_not_negative": [{"value": -1}],
    "ck_ledger_entries_balance_after_not_negative": [{"balance_after": -1}],
    "ck_redemptions_live_or_rolled_back": [{"claim_key": None}, {"rolled_back_at": clock.now()}],
    "ck_redemptions_units_positive": [{"units": 0}, {"units": -1}],
    "ck_stocks_claimed_not_negative": [{"claimed": -1}],
    "ck_stocks_claimed_within_capacity": [{"claimed": 6}, {"capacity": 4}],
    "ck_wallets_balance_not_negative": [{"balance": -1}],
}


def _constraints(kind: type) -> list[Any]:
    found = [constraint for table in db.metadata.sorted_tables for constraint in table.constraints if isinstance(constraint, kind)]
    return [pytest.param(constraint, id=str(constraint.name)) for constraint in found]


@pytest.fixture
def connection(app) -> Iterator[sa.Connection]:
    """Writes what nobody will ever see."""
    _, writing = current_app.extensions["engines"]
    with writing.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture
def make(connection: sa.Connection) -> Make:
    def make(table: str, **changes: Any) -> dict[str, Any]:
        row = {**ROWS[table](make), **changes}
        connection.execute(sa.insert(db.metadata.tables[table]).values(**row))
        return row

    return make


@pytest.fixture
def broken(connection: sa.Connection, make: Make) -> Callable[..., str]:
    """What the database names when it refuses that row; it must refuse it."""

    def broken(table: str, **changes: Any) -> str:
        row = {**ROWS[table](make), **changes}
        with pytest.raises(sa.exc.IntegrityError) as refusal, connection.begin_nested():
            connection.execute(sa.insert(db.metadata.tables[table]).values(**row))
        return broken_constraint(refusal.value)

    return broken


@pytest.mark.parametrize("table", sorted(db.metadata.tables))
def test_the_rows_of_these_tests_are_accepted_as_they_are(make, table):
    make(table)
    make(table)


@pytest.mark.parametrize("constraint", _constraints(sa.CheckConstraint))
def test_a_row_that_breaks_a_check_is_refused_by_the_database(broken, constraint):
    for changes in BREAKS[constraint.name]:
        assert constraint.name in broken(constraint.table.name, **changes), changes


@pytest.mark.parametrize("constraint", _constraints(sa.UniqueConstraint))
def test_a_second_row_with_what_must_be_unique_is_refused_by_the_database(make, broken, app, constraint):
    table, columns = constraint.table.name, [column.name for column in constraint.columns]
    first = make(table)

    told = broken(table, **{column: first[column] for column in columns})

    assert told in (constraint.name, f"UNIQUE constraint failed: {', '.join(f'{table}.{column}' for column in columns)}")


@pytest.mark.parametrize("constraint", _constraints(sa.ForeignKeyConstraint))
def test_a_row_that_refers_to_nothing_is_refused_by_the_database(broken, constraint):
    told = broken(constraint.table.name, **{column: new_id() for column in constraint.column_keys})

    assert told in (constraint.name, "FOREIGN KEY constraint failed")


def test_what_the_models_ask_for_is_asked_for_by_the_database(app):
    inspector = sa.inspect(db.engine)
    for table in db.metadata.sorted_tables:
        optional = {found["name"] for found in inspector.get_columns(table.name) if found["nullable"]}
        assert optional == {column.name for column in table.c if column.nullable}


def test_every_constraint_and_index_of_the_models_is_there_by_its_name_and_no_other(app):
    inspector = sa.inspect(db.engine)
    for table in db.metadata.sorted_tables:
        modelled = {str(constraint.name) for constraint in table.constraints} | {str(index.name) for index in table.indexes}
        there = {
            inspector.get_pk_constraint(table.name)["name"],
            *(found["name"] for found in inspector.get_unique_constraints(table.name)),
            *(found["name"] for found in inspector.get_check_constraints(table.name)),
            *(found["name"] for found in inspector.get_foreign_keys(table.name)),
            *(found["name"] for found in inspector.get_indexes(table.name) if not found.get("duplicates_constraint")),
        }
        assert there == modelled
