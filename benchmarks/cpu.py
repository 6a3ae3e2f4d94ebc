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
    program = psutil.Process(root)
    total = 0.0
    for process in [program, *program.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def postmaster(url: URL) -> int:
    """Find PostgreSQL's first process, from which all its others descend.

    It must be on this machine.
    """
    with closing(psycopg2.connect(text_of(url.set(drivername="postgresql")))) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        parent: int = backend.ppid()
    return parent
