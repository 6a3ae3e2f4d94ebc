"""Clients of a race: processes with several threads each, which start together and speak HTTP."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from threading import Barrier
from typing import Any

PROCESSES = 5
# Enough to occupy every thread of the server, and no more than a small machine can bear.
MOST_AT_ONCE = 50
SECONDS_TO_ANSWER = 60


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """An answer, with the times when its request was sent and when it had arrived.

    All processes of the machine share one clock.
    """

    status_code: int
    headers: dict[str, str]
    text: str
    started: float
    ended: float

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def mimetype(self) -> str:
        return self.headers["content-type"].partition(";")[0]


class Clients:
    """The client processes, as a test sees them."""

    def __init__(self) -> None:
        command = [sys.executable, __file__]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]

    def race(self, url: str, runners: Sequence[Sequence[Request]]) -> list[list[Answer]]:
        """Start all runners at once and return the answers of each.

        A runner sends its requests one after another.
        """
        assert len(runners) <= MOST_AT_ONCE
        for number, process in enumerate(self._processes):
            share = [
                [asdict(request) for request in runner] for runner in runners[number::PROCESSES]
            ]
            self._say(process, {"url": url, "runners": share})
        for process in self._processes:
            assert self._hear(process) == "ready"
        for process in self._processes:
            self._say(process, "go")
        answers: list[list[Answer]] = [[] for _ in runners]
        for number, process in enumerate(self._processes):
            answers[number::PROCESSES] = [
                [Answer(**answer) for answer in runner] for runner in self._hear(process)
            ]
        return answers

    def close(self) -> None:
        for process in self._processes:
            # A process ends when its input does. One that hangs is killed.
            try:
                process.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    @staticmethod
    def _say(process: "subprocess.Popen[str]", what: Any) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(what) + "\n")
        process.stdin.flush()

    @staticmethod
    def _hear(process: "subprocess.Popen[str]") -> Any:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "a client process has died; its traceback is in the captured output"
        return json.loads(line)


def _main() -> None:
    """Run one client process, until its input ends.

    It reads a race, reports that it is ready, starts when told to, and prints the answers.
    """
    for line in sys.stdin:
        race = json.loads(line)
        connections = [
            HTTPConnection(race["url"].removeprefix("http://"), timeout=SECONDS_TO_ANSWER)
            for _ in race["runners"]
        ]
        for connection in connections:
            connection.connect()
        gate = Barrier(len(connections) + 1)
        with ThreadPoolExecutor(max(1, len(connections))) as threads:
            running = [
                threads.submit(_run, gate, *pair)
                for pair in zip(connections, race["runners"], strict=True)
            ]
            gate.wait()
            _print("ready")
            sys.stdin.readline()
            gate.wait()
            _print([answers.result() for answers in running])
        for connection in connections:
            connection.close()


def _run(
    gate: Barrier, connection: HTTPConnection, requests: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    gate.wait()
    gate.wait()
    return [_send(connection, request) for request in requests]


def _send(connection: HTTPConnection, request: dict[str, Any]) -> dict[str, Any]:
    body = None if request["json"] is None else json.dumps(request["json"])
    started = time.monotonic()
    connection.request(request["method"], request["path"], body, request["headers"])
    response = connection.getresponse()
    text = response.read().decode()
    ended = time.monotonic()
    seen = {name.lower(): value for name, value in response.getheaders()}
    return {
        "status_code": response.status,
        "headers": seen,
        "text": text,
        "started": started,
        "ended": ended,
    }


def _print(what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201


if __name__ == "__main__":
    _main()
