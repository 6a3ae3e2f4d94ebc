"""What tests stand on: real servers, one application for each database, and a cast of people.

A test that uses `app` (or anyone of the cast) starts with empty tables. It runs on PostgreSQL, and
with `pytestmark = both_databases` on SQLite as well. `--databases both` runs all of them on both.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy.engine import URL

from coupon_management_flask import create_app
from coupon_management_flask.config import load_settings
from coupon_management_flask.core import clock
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.session import db, transaction

from .support import people
from .support.books import Books, read_books, the_books_add_up  # noqa: F401
from .support.concurrency import elsewhere, time, together  # noqa: F401
from .support.postgres import create_database, drop_database, running_postgres
from .support.redis import RedisServer, running_redis
from .support.server import TEST_ENVIRONMENT

DATABASES = ["postgresql", "sqlite"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--databases",
        choices=["postgresql", "marked", "both"],
        default="marked",
        help="on SQLite too: no test, those that are marked so, or all",
    )
    parser.addoption(
        "--update-documents",
        action="store_true",
        help="write what tests find out into the pages that they hold, instead of comparing",
    )
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="fail where a test is skipped because a tool is missing",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the databases that a test runs on."""
    chosen = metafunc.config.getoption("--databases")
    is_marked = metafunc.definition.get_closest_marker("both_databases") is not None
    on_both = chosen == "both" or (chosen == "marked" and is_marked)
    databases = DATABASES if on_both else DATABASES[:1]
    chosen_by_the_test = {
        name.strip()
        for mark in metafunc.definition.iter_markers("parametrize")
        for name in str(mark.args[0]).split(",")
    }
    for name in ("database_url", "fresh_database_url"):
        if name in metafunc.fixturenames and name not in chosen_by_the_test:
            scope = "session" if name == "database_url" else "function"
            metafunc.parametrize(name, databases, indirect=True, scope=scope)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Turn a skip for a missing tool into a failure, if that was asked for."""
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if "tests/tools/install" in reason or "not installed" in reason:
            report.outcome = "failed"
            report.longrepr = f"a tool is missing: {reason}"
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def settings_for(database_url: str, **overrides: Any) -> Any:
    """Return the defaults of application.yml with what tests change.

    The environment is ignored.
    """
    return load_settings(
        environment={**TEST_ENVIRONMENT, "DATABASE_URL": database_url}, dotenv=None, **overrides
    )


def migrate(database_url: str) -> None:
    app = create_app(settings_for(database_url))
    with app.app_context():
        upgrade()
        dispose_engines()


@pytest.fixture(scope="session")
def migrated(postgres: URL, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the URL of a migrated, empty database of each kind. Copy it, never write to it."""
    file = tmp_path_factory.mktemp("migrated") / "coupons.db"
    name = f"coupons_template_{os.getpid()}"
    urls = {
        "postgresql": create_database(postgres, name).render_as_string(hide_password=False),
        "sqlite": f"sqlite:///{file}",
    }
    for url in urls.values():
        migrate(url)
    return urls


@pytest.fixture(scope="session")
def new_database(
    migrated: dict[str, str], postgres: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """Make a migrated, empty database of that kind and return its URL."""
    made: list[str] = []

    def make(kind: str) -> str:
        if kind == "sqlite":
            file = tmp_path_factory.mktemp("database") / "coupons.db"
            shutil.copy(Path(str(sa.make_url(migrated[kind]).database)), file)
            return f"sqlite:///{file}"
        name = f"coupons_{os.getpid()}_{len(made)}"
        made.append(name)
        template = str(sa.make_url(migrated[kind]).database)
        return create_database(postgres, name, template).render_as_string(hide_password=False)

    yield make
    for name in made:
        drop_database(postgres, name)


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    """The database of the tests' application, of the kind that pytest_generate_tests chose."""
    return new_database(_kind(request))


@pytest.fixture
def fresh_database_url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    """A database for one test with a server of its own, of the kind that was chosen."""
    return new_database(_kind(request))


def _kind(request: pytest.FixtureRequest) -> str:
    # A fixture that a test requests while it runs has no parameter.
    return getattr(request, "param", DATABASES[0])


@pytest.fixture(scope="session")
def shared_app(database_url: str) -> Iterator[Flask]:
    app = create_app(settings_for(database_url))
    yield app
    with app.app_context():
        dispose_engines()


@pytest.fixture
def app(shared_app: Flask) -> Iterator[Flask]:
    """The application with empty tables, inside its context."""
    with shared_app.app_context():
        empty_tables()
        # This process remembers which day the tables are up to date for, and when a job ran.
        shared_app.extensions.pop("feed_day", None)
        shared_app.extensions.pop("background_ran", None)
        yield shared_app
        db.session.remove()


@pytest.fixture
def configured_app(app: Flask, database_url: str) -> Iterator[Callable[..., Flask]]:
    """Make an application on the tests' database with some settings changed, inside its context."""
    contexts = []

    def make(**overrides: Any) -> Flask:
        app = create_app(settings_for(database_url, **overrides))
        contexts.append(app.app_context())
        contexts[-1].push()
        empty_tables()
        return app

    yield make
    for context in reversed(contexts):
        dispose_engines()
        context.pop()


def dispose_engines() -> None:
    for engine in db.engines.values():
        engine.dispose()


def empty_tables() -> None:
    deletions = [f"DELETE FROM {table.name}" for table in reversed(db.metadata.sorted_tables)]
    with transaction():
        # PostgreSQL takes all of them in one round trip.
        for statement in ["; ".join(deletions)] if is_postgresql() else deletions:
            db.session.connection().exec_driver_sql(statement)


@pytest.fixture(autouse=True)
def logging_stays() -> Iterator[None]:
    """Put logging back as it was before the test.

    Each application configures it for the whole process, with the stderr of that moment. Where that
    belonged to a test's `capsys`, it is closed by the time a later test logs.
    """
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def person(client: FlaskClient) -> Callable[..., people.Person]:
    """Create somebody and sign them in: `person(credit=100)`, `person(role="administrator")`."""

    def make(**given: Any) -> people.Person:
        return people.sign_in(client, *people.make_user(**given))

    return make


@pytest.fixture
def alice(person: Callable[..., people.Person]) -> people.Person:
    """A user with 100 credits."""
    return person(username="alice", name="Alice", credit=100)


@pytest.fixture
def bob(person: Callable[..., people.Person]) -> people.Person:
    """Another user with 100 credits, who must not see or touch anything of Alice's."""
    return person(username="bob", name="Bob", credit=100)


@pytest.fixture
def admin(person: Callable[..., people.Person]) -> people.Person:
    return person(username="admin", name="Admin", role="administrator")


@pytest.fixture
def time_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock."""
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture
def books(app: Flask) -> Callable[[], Books]:
    """Read the books. Before and after a refusal they must be equal."""
    return read_books


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """The statements that the application sends, as it sends them.

    Leaves out the BEGIN of SQLite and the PREPARE that comes first on a connection.
    """
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PREPARE")):
            seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


class _Failed(Exception):
    pass


@pytest.fixture
def rolled_back() -> Callable[[], AbstractContextManager[None]]:
    """A `transaction()` that fails at its very end."""

    @contextmanager
    def failing() -> Iterator[None]:
        with suppress(_Failed), transaction():
            yield
            raise _Failed

    return failing
