"""Load: requests as lines of text, and wrk, which sends them."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.support.ports import free_port
from tests.support.server import running_server

from .trees import WORKERS

CONNECTIONS = 16


@dataclass(frozen=True)
class Request:
    """A line of load.lua's file, which says what the parts mean."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @classmethod
    def parse(cls, line: str) -> "Request":
        method, path, token, *body = line.split(" ", 3)
        headers = {"Content-Type": "application/json"}
        if token.startswith("once+"):
            token = token.removeprefix("once+")
            headers["Idempotency-Key"] = uuid4().hex
        if token.startswith("key:"):
            headers["X-API-Key"] = token.removeprefix("key:")
        elif token != "-":
            headers["Authorization"] = f"Bearer {token}"
        return cls(method, path, headers, "".join(body).replace("{n}", uuid4().hex))


@dataclass(frozen=True)
class Loaded:
    """What a server did under load. Times of answers are in milliseconds.

    `refused` are answers of status 400 and above, `broken` those that did not come.
    """

    requests: int
    seconds: float
    p50: float
    p95: float
    p99: float
    refused: int
    broken: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def parse_result(output: str) -> Loaded:
    """Read the line that load.lua ends with."""
    found = re.search(r"^RESULT (.*)$", output, re.MULTILINE)
    assert found is not None, output
    told = json.loads(found[1])
    return Loaded(
        requests=told["requests"],
        seconds=told["microseconds"] / 1_000_000,
        p50=told["p50"] / 1000,
        p95=told["p95"] / 1000,
        p99=told["p99"] / 1000,
        refused=told["refused"],
        broken=told["broken"],
    )


def load(url: str, lines: Sequence[str], seconds: int) -> Loaded:
    """Send these requests again and again, over all connections at once."""
    script = str(Path(__file__).with_name("load.lua"))
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        how = ["-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout=20s", "--latency"]
        ran = subprocess.run(
            ["wrk", *how, "-s", script, url],
            env={**os.environ, "REQUESTS": file.name, "RUN": uuid4().hex},
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
        )
    return parse_result(ran.stdout)


def bare(seconds: int) -> float:
    """Measure how many answers a second the server gives that cost nothing."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare"]
    with running_server("", command=command, port=port, workers=WORKERS) as server:
        return load(server.url, ["GET /api/health/live -"], seconds).per_second


def granian(application: str, port: int, workers: int, *more: str) -> list[str]:
    """Say how an application is served without our own command."""
    options = ["--interface=wsgi", "--no-ws", f"--port={port}", f"--workers={workers}", *more]
    return [sys.executable, "-m", "granian", *options, application]
