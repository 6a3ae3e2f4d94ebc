"""How much of the processors a program has used: itself and all processes that it started."""

from contextlib import closing, suppress

import psutil
import psycopg2
from sqlalchemy.engine import URL

from .trees import text_of


def used(root: int) -> float:
    """Sum the CPU seconds, in user and system mode, of a process and its descendants.

    What descendants that have ended used is in their parents' figures.
    """
    while True:
        # Of one that ended while we read, its parent's figures knew nothing yet: read all again.
        with suppress(psutil.NoSuchProcess):
            program = psutil.Process(root)
            return sum(map(_used_alone, [program, *program.children(recursive=True)]))
        if not psutil.pid_exists(root):
            raise SystemExit("A server that is measured has ended.")


def _used_alone(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def postmaster(url: URL) -> int:
    """Find PostgreSQL's first process, from which all its others descend.

    It must be on this machine.
    """
    with closing(psycopg2.connect(text_of(url.set(drivername="postgresql")))) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        parent: int = backend.ppid()
    return parent
