"""Celery as an operator starts it: real processes, a real broker, and the outbox."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from flask import Flask

from coupon_management_flask import create_app
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.discount_coupons.webhooks import service as webhook_service
from coupon_management_flask.messaging.webhooks import recording
from coupon_management_flask.models import OutboxMessage

from ..conftest import dispose_engines, settings_for
from ..support.redis import RedisServer
from ..support.server import environment
from ..support.waiting import wait_until
from ..support.webhook_receiver import Receiver, running_receiver

# On a machine that has other things to do as well.
START_SECONDS = 120
CELERY = [
    str(Path(sys.executable).with_name("celery")),
    "--quiet",
    "--app",
    "coupon_management_flask.tasks.celery_app",
]


@dataclass
class Process:
    popen: "subprocess.Popen[bytes]"
    file: Path

    def log(self) -> str:
        return self.file.read_text(errors="replace")

    def says(self, words: str, times: int = 1) -> None:
        """Wait until it has said so that many times."""

        def is_said() -> bool:
            return self.log().count(words) >= times

        wait_until(
            lambda: is_said() or self.popen.poll() is not None, f"{words!r} is said", START_SECONDS
        )
        assert is_said(), self.log()

    def end(self) -> int:
        """What a supervisor does; the exit code."""
        self.popen.terminate()
        return self.popen.wait(timeout=60)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


@pytest.fixture
def kind() -> str:
    return "postgresql"


@pytest.fixture
def service(kind: str, new_database: Callable[[str], str]) -> Iterator[Flask]:
    """The application on a database that is this test's alone, in its context."""
    app = create_app(settings_for(new_database(kind), webhooks_allow_private=True))
    with app.app_context():
        yield app
        db.session.remove()
        dispose_engines()


@pytest.fixture
def broker_url(redis_server: RedisServer) -> str:
    """A database of Redis with nothing in it."""
    url = redis_server.url.rpartition("/")[0] + "/1"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def celery(service: Flask, broker_url: str, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `celery worker` or `celery beat`; whatever still runs at the end is killed."""
    processes: list[Process] = []
    folder = tmp_path / "folder"
    folder.mkdir()

    def start(command: str, **more: str) -> Process:
        # Celery warns root, whom tests in a container run as.
        told = {
            "CELERY_BROKER_URL": broker_url,
            "WEBHOOKS_ALLOW_PRIVATE": "true",
            "LOG_LEVEL": "INFO",
            "PYTHONWARNINGS": "ignore",
            **more,
        }
        name = f"{command}-{len(processes)}"
        # Two workers of one name would be one to Celery.
        arguments = ["--hostname", name] if command == "worker" else []
        file = tmp_path / f"{name}.log"
        with file.open("wb") as output:
            env = environment(service.extensions["settings"].database_url, **told)
            processes.append(
                Process(
                    subprocess.Popen(
                        [*CELERY, command, *arguments],
                        env=env,
                        cwd=folder,
                        stdout=output,
                        stderr=output,
                    ),
                    file,
                )
            )
        return processes[-1]

    yield start
    for process in processes:
        if process.popen.poll() is None:
            process.kill()
        # pytest shows it where the test has failed.
        sys.stdout.write(f"--- {process.file.name}\n{process.log()}\n")
    # A container can write hardly anywhere.
    assert list(folder.iterdir()) == []


@pytest.fixture
def receiver(service: Flask) -> Iterator[Receiver]:
    """Is told of every coupon that is created."""
    with running_receiver() as receiver:
        webhook_service.create(receiver.url(), ["coupon.created"], allow_private=True)
        yield receiver


def happen(number: int = 0) -> None:
    with transaction():
        recording.record("coupon.created", lambda: {"number": number})


def messages() -> list[Any]:
    return list(db.session.execute(sa.select(OutboxMessage.__table__).order_by(OutboxMessage.id)))


def wait_until_all_are_delivered() -> None:
    wait_until(
        lambda: all(message.delivered_at for message in messages()),
        "all are delivered",
        START_SECONDS,
    )
