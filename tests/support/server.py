"""The real server, as an operator starts it, on a free loopback port."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import requests

from coupon_management_flask import create_app
from coupon_management_flask.config import load_settings
from coupon_management_flask.db.session import db

from .ports import free_port
from .waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
# `make serve` as an operator types it. What it would install first is there already.
MAKE_SERVE = ["make", "--silent", "--old-file=.venv/.runtime", "serve"]
FLASK = [sys.executable, "-m", "flask", "--app", "coupon_management_flask"]

# What production takes for a SECRET_KEY.
STRONG_KEY = "vT3mJ0xQ9sKf7bWc2ZpLr8YhNd4GuA6e"

# Settings that tests and benchmarks need otherwise than people do.
TEST_ENVIRONMENT = {
    "PASSWORD_HASH_MEMORY_KIB": "8",
    "PASSWORD_HASH_ROUNDS": "1",
    "RATE_LIMITS_ENABLED": "false",
    "LOG_LEVEL": "WARNING",
    # The development mailbox of this checkout belongs to the developer.
    "EMAIL_BACKEND": "console",
}


def environment(database_url: str, **more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        **TEST_ENVIRONMENT,
        "DATABASE_URL": database_url,
        **more,
    }


def run_flask(
    *arguments: str, database_url: str, check: bool = True, **more: str
) -> "subprocess.CompletedProcess[str]":
    """Run `flask ...` with that database, as an operator would."""
    return subprocess.run(
        [*FLASK, *arguments],
        env=environment(database_url, **more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=check,
        timeout=120,
    )


def run_command(*arguments: str, database_url: str) -> str:
    """Run a command of `flask` in this process and return its output.

    A process of its own takes two seconds to load the application. This is for what a test needs,
    not for what it is about.
    """
    settings = load_settings(
        environment={**TEST_ENVIRONMENT, "DATABASE_URL": database_url}, dotenv=None
    )
    app = create_app(settings)
    with app.app_context():
        ran = app.test_cli_runner().invoke(args=list(arguments), catch_exceptions=False)
        for engine in db.engines.values():
            engine.dispose()
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def assert_books_add_up(database_url: str) -> None:
    run_command("audit", database_url=database_url)


@dataclass
class Server:
    url: str
    process: "subprocess.Popen[bytes]"
    output: Any

    def request(
        self, method: str, path: str, *, token: str | None = None, **options: Any
    ) -> requests.Response:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return requests.request(method, self.url + path, headers=headers, timeout=60, **options)

    def log(self) -> str:
        self.output.seek(0)
        return str(self.output.read().decode(errors="replace"))

    def worker_pids(self) -> list[int]:
        """Return the processes that answer requests."""
        import psutil

        pids, parents = [], set()
        for child in psutil.Process(self.process.pid).children(recursive=True):
            # A process that has just been killed still exists for a moment.
            with suppress(psutil.NoSuchProcess):
                if "resource_tracker" not in " ".join(child.cmdline()):
                    pids.append(child.pid)
                    parents.add(child.ppid())
        # Under `make serve` the server is a child itself.
        return [pid for pid in pids if pid not in parents]

    def kill(self) -> None:
        """End it as a power cut would: all of it at once, with no chance to finish anything."""
        import psutil

        # The processes of `make run` are not all in one process group.
        others = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGKILL)
        for other in others:
            with suppress(psutil.NoSuchProcess):
                other.kill()
        self.process.wait()


def copy_checkout(folder: Path) -> Path:
    """Copy what a server needs of the checkout, so that it writes mails to a mailbox of its own."""
    for name in ("coupon_management_flask", "frontend", "migrations"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "application.yml", folder)
    return folder


@contextmanager
def running_server(
    database_url: str,
    *,
    workers: int = 2,
    command: list[str] | None = None,
    port: int | None = None,
    checkout: Path = ROOT,
    **more: str,
) -> Iterator[Server]:
    """Start a server, wait until it answers, and kill it with all its workers at the end."""
    port = port or free_port()
    with TemporaryFile() as output:
        process = subprocess.Popen(
            command or [*FLASK, "serve"],
            env=environment(
                database_url, HOST="127.0.0.1", PORT=str(port), WORKERS=str(workers), **more
            ),
            # Python looks for modules here first.
            cwd=checkout,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        server = Server(f"http://127.0.0.1:{port}", process, output)
        try:
            wait_until(lambda: _answers(server), "the server answers")
            if command is None:
                # The first worker may answer before the others are there.
                wait_until(lambda: len(server.worker_pids()) >= workers, "all workers are there")
            yield server
        finally:
            if process.poll() is None:
                server.kill()


def _answers(server: Server) -> bool:
    if server.process.poll() is not None:
        raise AssertionError(f"the server has stopped:\n{server.log()}")
    try:
        return bool(server.request("GET", "/api/health/live").ok)
    except requests.ConnectionError:
        return False
