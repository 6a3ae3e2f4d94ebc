"""Migrations of a database that is in use: nobody waits for them for more than some seconds.

All of it is about PostgreSQL.
"""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade

from coupon_management_flask import create_app
from coupon_management_flask.db import migrating
from coupon_management_flask.db.session import db

from .conftest import dispose_engines, settings_for
from .support.postgres import create_database, drop_database
from .support.server import FLASK, ROOT, environment

# The first that was written by the rules of CONTRIBUTING.md. Those before it have landed.
FIRST_BY_THE_RULES = "0013"
# Tables that never have more than some thousand rows: what scans them takes no time.
SMALL = {"coupon_batches"}


@pytest.fixture
def database(postgres) -> Iterator[str]:
    """Make a database in which there is nothing at all, and return its URL."""
    yield create_database(postgres, "coupons_in_use").render_as_string(hide_password=False)
    drop_database(postgres, "coupons_in_use")


@pytest.fixture
def in_use(database) -> Iterator[str]:
    """Push the context of an application on that database."""
    with create_app(settings_for(database)).app_context():
        yield database
        dispose_engines()


def version() -> str | None:
    with db.engine.connect() as connection:
        return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


@contextmanager
def upgrading(url: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*FLASK, "db", "upgrade"],
        env=environment(url),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.server
def test_a_migration_waits_for_a_lock_in_short_turns_and_others_use_the_table_in_between(in_use):
    # The next one alters accounts.
    upgrade(revision="0007")
    session = (
        "INSERT INTO wallets (account_id, balance) SELECT id, 0 FROM accounts WHERE false;"
        " UPDATE accounts SET name = 'x' WHERE false; SELECT count(*) FROM accounts"
    )
    with db.engine.connect() as reader, db.engine.connect() as somebody, upgrading(in_use) as up:
        # Somebody reads a long report, and nobody can alter what it reads.
        reader.execute(sa.text("SELECT count(*) FROM accounts"))
        told = iter(up.stderr)
        for _ in range(2):
            line = next(line for line in told if "migration.waits" in line)
            assert "ALTER TABLE accounts ADD COLUMN phone_number" in line
            assert "The oldest transaction is that of process" in line
            # It waits no more than the migration does.
            somebody.execute(sa.text("SET LOCAL lock_timeout = '4s'"))
            assert somebody.execute(sa.text(session)).scalar() == 0
            somebody.commit()
        assert up.poll() is None
        assert version() == "0007"

        reader.commit()

        assert up.wait(60) == 0
    assert version() == ScriptDirectory(str(ROOT / "migrations")).get_current_head()


def test_a_migration_that_never_gets_its_lock_gives_up_in_a_sentence_and_keeps_what_was_done(
    in_use, monkeypatch
):
    upgrade(revision="0006")
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(migrating, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(migrating, "TRIES", 3)
    with db.engine.connect() as reader:
        reader.execute(sa.text("SELECT count(*) FROM accounts"))
        with pytest.raises(SystemExit, match=r"did not get its lock in 3 tries: ALTER TABLE acc"):
            upgrade()
        assert version() == "0007"
    # Going back two is two, however often it was tried.
    upgrade(revision="0009")
    with db.engine.connect() as reader:
        reader.execute(sa.text("SELECT count(*) FROM accounts"))
        monkeypatch.setattr(migrating, "_oldest_transaction", lambda _: reader.rollback() or "")
        downgrade(revision="-2")
    assert version() == "0007"


def test_one_process_migrates_at_a_time_and_who_waits_holds_up_no_index(in_use):
    upgrade()
    waits, entered = threading.Event(), threading.Event()

    def second() -> None:
        with migrating.alone(engine):
            entered.set()

    engine = db.engine
    sa.event.listen(engine, "rollback", lambda _: waits.set())
    with migrating.alone(engine):
        waits.clear()
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        run_migration(lambda: migrating.create_index("ix_x", "stocks", ["claimed"]))
        assert not entered.is_set()
    thread.join(10)
    assert entered.is_set()
    assert is_valid("ix_x")


def test_an_index_is_made_while_others_write_and_again_where_it_was_left_invalid(in_use):
    upgrade()
    with db.engine.connect() as writer:
        writer.execute(
            sa.text(
                "INSERT INTO stocks (id, capacity, claimed)"
                " SELECT gen_random_uuid(), 1, 0 FROM generate_series(1, 2)"
            )
        )
        writer.commit()
    with pytest.raises(sa.exc.IntegrityError):
        run_migration(lambda: migrating.create_index("ix_x", "stocks", ["claimed"], unique=True))
    assert is_valid("ix_x") is False

    for _ in range(2):
        sent = run_migration(lambda: migrating.create_index("ix_x", "stocks", ["claimed"]))
        assert is_valid("ix_x")
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_x" in sent[-1]

    for _ in range(2):
        sent = run_migration(lambda: migrating.drop_index("ix_x", "stocks"))
    assert "DROP INDEX CONCURRENTLY IF EXISTS ix_x" in sent[-1]
    assert is_valid("ix_x") is None


def is_valid(index: str) -> bool | None:
    with db.engine.connect() as connection:
        return connection.scalar(
            sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)"),
            {"index": index},
        )


@contextmanager
def statements_sent() -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(" ".join(statement.split()))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


def run_migration(work: Any) -> list[str]:
    """Run `work` as alembic runs the body of a migration, and return what was sent."""
    with db.engine.connect() as connection, statements_sent() as sent:
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with Operations.context(context), context.begin_transaction(_per_migration=True):
            work()
    return sent


# What holds a table for as long as it takes to read all of it, or needs more than one step.
SCANS = {
    r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY).* ON (?P<table>\w+) ": (
        "make it with db.migrating.create_index"
    ),
    r"DROP INDEX (?!CONCURRENTLY)": "drop it with db.migrating.drop_index",
    r"ALTER TABLE (?P<table>\w+) ADD CONSTRAINT (?!.*NOT VALID).*(CHECK|FOREIGN KEY)": (
        "add it with postgresql_not_valid=True, and validate it in the next migration"
    ),
    r"ALTER TABLE (?P<table>\w+) ADD CONSTRAINT .*(UNIQUE|PRIMARY KEY) \(": (
        "make a unique index with db.migrating.create_index"
    ),
    r"ALTER TABLE (?P<table>\w+) ALTER COLUMN \w+ (TYPE|SET NOT NULL)": (
        "add another column, or a CHECK that is validated later"
    ),
}


def broken_rules(statements: list[str], *, new_tables: set[str]) -> list[str]:
    """Return which statements hold a table that may be large, and what to do instead."""
    return [
        f"{statement}: {instead}"
        for statement in statements
        for pattern, instead in SCANS.items()
        if (found := re.match(pattern, statement))
        and found.groupdict().get("table") not in new_tables | SMALL
    ]


def test_new_migrations_hold_no_large_table_while_they_read_it(in_use):
    script = ScriptDirectory(str(ROOT / "migrations"))
    revisions = [one.revision for one in reversed(list(script.walk_revisions()))]
    by_the_rules = [revision for revision in revisions if revision >= FIRST_BY_THE_RULES]
    upgrade(revision=revisions[-len(by_the_rules) - 1])
    for revision in by_the_rules:
        before = set(sa.inspect(db.engine).get_table_names())
        with statements_sent() as sent:
            upgrade(revision=revision)
        new_tables = set(sa.inspect(db.engine).get_table_names()) - before
        assert broken_rules(sent, new_tables=new_tables) == [], revision


def test_the_rules_for_migrations_find_what_breaks_them():
    bad = [
        "CREATE INDEX ix_x ON accounts (name)",
        "CREATE UNIQUE INDEX ix_x ON accounts (name)",
        "DROP INDEX ix_x",
        "ALTER TABLE accounts ADD CONSTRAINT ck_x CHECK (name <> '')",
        "ALTER TABLE accounts ADD CONSTRAINT fk_x FOREIGN KEY(name) REFERENCES x (id)",
        "ALTER TABLE accounts ADD CONSTRAINT uq_x UNIQUE (name)",
        "ALTER TABLE accounts ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE accounts ALTER COLUMN name TYPE TEXT",
    ]
    good = [
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_x ON accounts (name)",
        "ALTER TABLE accounts ADD CONSTRAINT ck_x CHECK (name <> '') NOT VALID",
        "ALTER TABLE accounts ADD COLUMN name TEXT",
        "ALTER TABLE accounts ALTER COLUMN name DROP NOT NULL",
    ]

    assert len(broken_rules(bad, new_tables=set())) == len(bad)
    assert len(broken_rules(bad, new_tables={"accounts"})) == 1
    assert broken_rules(good, new_tables=set()) == []
