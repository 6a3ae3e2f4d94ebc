"""Run the tests of a tree, with a fault in its code."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Event

from .mutations import Mutation
from .trees import PACKAGE

SECONDS_TO_END = 30


class Result(StrEnum):
    KILLED = "killed"
    SURVIVED = "survived"
    NO_COUNTERPART = "no counterpart"
    NOT_RUN = "-"


@dataclass(frozen=True)
class Outcome:
    result: Result
    by: str = ""
    """The test that failed, or that time ran out."""

    @property
    def test(self) -> str:
        """Name the function that failed; empty where none did."""
        found = re.search(r"::(test_\w+)", self.by)
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.result} by {self.by}" if self.by else self.result


class Tests:
    """Runs tests in trees, in processes that can be ended together."""

    __test__ = False

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._is_ended = Event()

    def run(self, tree: Path, files: list[str], seconds: float) -> Outcome:
        """Run until the first failure. Raises SystemExit where pytest could not run."""
        if self._is_ended.is_set():
            return Outcome(Result.NOT_RUN)
        quiet = ["-x", "-q", "--no-header", "-rfE", "-p", "no:cacheprovider"]
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                [tree / ".venv/bin/python", "-m", "pytest", *quiet, *files],
                cwd=tree,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                return Outcome(Result.KILLED, "time")
            finally:
                _end(process)
                self._running.discard(process)
            output.seek(0)
            said = output.read()
        if self._is_ended.is_set():
            return Outcome(Result.NOT_RUN)
        if code == 0:
            return Outcome(Result.SURVIVED)
        if code in (1, 2):
            failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", said, re.MULTILINE)
            return Outcome(Result.KILLED, failed[1] if failed else "an error")
        raise SystemExit(f"pytest ended with {code} in {tree}:\n{said[-2000:]}")

    def end(self) -> None:
        self._is_ended.set()
        for process in list(self._running):
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """End pytest as Ctrl-C does, so that it stops the servers that it started."""
    for sign, seconds in ((signal.SIGINT, SECONDS_TO_END), (signal.SIGKILL, None)):
        if process.poll() is None:
            os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)


@contextmanager
def applied(mutation: Mutation, tree: Path) -> Iterator[None]:
    """Put a mutation into a tree for as long as the block lasts."""
    file = tree / PACKAGE / mutation.file
    source = file.read_bytes()
    file.write_bytes(mutation.apply(source))
    try:
        yield
    finally:
        file.write_bytes(source)
