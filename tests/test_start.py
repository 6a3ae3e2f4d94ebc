"""What can't work ends the start, and every command, with one sentence for the operator."""

import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask.cli import cli
from structlog.testing import capture_logs

from coupon_management_flask import create_app
from coupon_management_flask.cli import COMMANDS
from coupon_management_flask.cli.terminal import Command, Group
from coupon_management_flask.db import schema
from coupon_management_flask.health import start
from coupon_management_flask.messaging import loop

from .conftest import settings_for
from .support.ports import free_port
from .support.server import ROOT, environment


@pytest.fixture
def flask(monkeypatch, tmp_path):
    """Run `flask ...` in this process, and return the one sentence with which it refuses."""
    # What `serve` puts into the environment must not stay there.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    # Flask itself sets the first of these. Naming it here restores it at the end.
    of_flask = {"FLASK_RUN_FROM_CLI": "true", "FLASK_SKIP_DOTENV": "1"}

    def run(*arguments, database_url, **more):
        told = CliRunner(
            env={**of_flask, "PORT": str(free_port()), **environment(database_url, **more)}
        ).invoke(cli, ["--app", "coupon_management_flask", *arguments])
        assert (told.exit_code, told.stdout) == (1, "")
        (sentence,) = told.stderr.splitlines()
        return sentence.removeprefix("Error: ")

    return run


EVERY_COMMAND = [
    ["audit"],
    ["serve"],
    ["worker"],
    ["purge"],
    ["seed-demo"],
    ["create-sample-vouchers"],
    ["outbox", "deliver"],
    ["analytics", "roll-up"],
    ["api-keys", "revoke", "--service", "shop"],
    ["create-admin", "--email", "admin@example.com", "--password", "correct horse 1"],
    ["db", "upgrade"],
    ["db", "current"],
]


@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=" ".join)
def test_a_command_whose_database_is_away_says_so_in_a_sentence_without_the_password(
    flask, arguments
):
    port = free_port()
    url = f"postgresql://shop:p4ssw0rd@127.0.0.1:{port}/books"

    sentence = flask(*arguments, database_url=url)

    assert sentence.startswith(
        f"The database (PostgreSQL books at 127.0.0.1:{port} as shop) is not available: "
    )
    assert "refused" in sentence
    assert "p4ssw0rd" not in sentence


def test_every_command_tells_of_its_faults_by_the_same_mechanism():
    assert [one.name for one in COMMANDS if not isinstance(one, Command | Group)] == []


@pytest.fixture
def migrated_file(migrated, tmp_path):
    file = tmp_path / "coupons.db"
    shutil.copy(str(sa.make_url(migrated["sqlite"]).database), file)
    return file


@pytest.mark.parametrize("arguments", [["serve"], ["worker"], ["audit"]], ids=" ".join)
def test_a_database_without_tables_is_refused(flask, tmp_path, arguments):
    sentence = flask(*arguments, database_url=f"sqlite:///{tmp_path}/empty.db")

    assert sentence == (
        f"The database (SQLite {tmp_path}/empty.db) has no tables of this service; "
        "`flask db upgrade` makes them."
    )


@pytest.mark.parametrize(
    ("version", "says"), [("9999", "does not know"), ("0001", "of an older release")]
)
@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_database_with_the_schema_of_another_release_is_refused(
    flask, migrated_file, command, version, says
):
    with closing(sqlite3.connect(migrated_file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])
        connection.commit()

    assert says in flask(command, database_url=f"sqlite:///{migrated_file}")


def test_a_port_that_another_server_shares_is_refused(flask, migrated_file):
    url = f"sqlite:///{migrated_file}"
    with socket.socket() as taken:
        # As the service's own server listens.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        said = f"Nothing can listen on 127.0.0.1:{port} (HOST, PORT): Address already in use."
        assert flask("serve", database_url=url, HOST="127.0.0.1", PORT=port) == said
        assert flask("antifraud", database_url=url, ANTIFRAUD_PORT=port) == said

    assert "nowhere.invalid" in flask("serve", database_url=url, HOST="nowhere.invalid")


@pytest.mark.parametrize("command", [["serve"], ["db", "upgrade"]], ids=" ".join)
def test_a_folder_that_can_not_be_written_is_refused(flask, tmp_path, command):
    (tmp_path / "file").write_text("no folder")

    sentence = flask(*command, database_url=f"sqlite:///{tmp_path}/file/coupons.db")

    assert f"{tmp_path}/file/coupons.db" in sentence
    assert "unable to open" in sentence


def test_a_folder_for_metrics_that_can_not_be_written_is_refused(
    flask, migrated_file, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", f"{tmp_path}/file/metrics")

    sentence = flask("serve", database_url=f"sqlite:///{migrated_file}")

    assert f"{tmp_path}/file/metrics" in sentence


def said(logs, event):
    return [line for line in logs if line["event"] == event]


def test_a_worker_of_another_server_that_starts_while_the_database_is_away_waits_for_it():
    url = f"postgresql://shop:p4ss@127.0.0.1:{free_port()}/books"
    with create_app(settings_for(url)).app_context(), capture_logs() as logs:
        start.check_schema()
        start.warn(works_itself=False)
        start.let_go()

    (line,) = logs
    assert line["event"] == "start.database_unavailable"
    assert "p4ss" not in str(line)


def test_a_start_that_does_no_background_work_warns_where_nobody_does_it(app):
    with capture_logs() as logs:
        start.warn(works_itself=True)
        assert logs == []
        start.warn(works_itself=False)
        assert len(said(logs, "start.no_background")) == 1
        loop.take_turn("figures", timedelta(seconds=15))
        start.warn(works_itself=False)
        assert len(said(logs, "start.no_background")) == 1


def test_a_server_of_development_that_others_reach_is_warned_of(app):
    with capture_logs() as logs:
        for host in ("127.0.0.1", "localhost", "::1"):
            start.warn_of_strangers(host)
        assert logs == []
        start.warn_of_strangers("0.0.0.0")
    assert [line["setting"] for line in said(logs, "start.setting")] == ["APP_ENV"]


@pytest.mark.server
def test_any_server_that_loads_the_service_refuses_a_database_without_tables(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", "import coupon_management_flask.wsgi"],
        env=environment(f"sqlite:///{tmp_path}/x.db"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    (sentence,) = ended.stderr.splitlines()
    assert "has no tables" in sentence


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://a:secret@db.example/c", "PostgreSQL c at db.example:5432 as a"),
        (
            "postgresql://a:secret@/c?host=one:5432&host=two:5433&password=secret",
            "PostgreSQL c at one:5432, two:5433 as a",
        ),
        ("sqlite:////srv/coupons.db", "SQLite /srv/coupons.db"),
    ],
)
def test_a_database_is_named_without_its_password(url, name):
    assert schema.name_of(sa.make_url(url)) == name
