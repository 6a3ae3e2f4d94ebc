"""This tree against another commit: two servers side by side, loaded in turn."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from tests.support.ports import free_port
from tests.support.postgres import create_database, running_postgres
from tests.support.redis import running_redis
from tests.support.server import ROOT, Server

from . import cpu, messages, report
from .furnish import furnished
from .load import granian, load
from .scenarios import Bench, Scenario
from .seed import connection_to
from .trees import describe, flask, migrations, other_tree, serving

WARM_UP_SECONDS = 1
_FILLED = "bench_filled"
# What is sent once is numbered: the rows before anything, the counted, the warm-up, the rounds.
_COUNTED, _WARM_UP, _FIRST_ROUND = 1, 2, 3


@dataclass(frozen=True)
class Side:
    """A tree with a database and a Redis of its own."""

    tree: Path
    url: URL
    redis_url: str


def compare(
    revision: str,
    scenarios: Sequence[Scenario],
    *,
    seconds: int,
    rounds: int,
    promos: int,
) -> list[str]:
    """Print a row for each scenario, and return what must not be believed.

    Raises: SystemExit where the two can't be compared.
    """
    if os.environ.get("TEST_DATABASE_URL"):
        raise SystemExit("TEST_DATABASE_URL: here the server must be one that is started for this.")
    with other_tree(revision) as old_tree, _sides(old_tree, promos) as (bench, old, new):
        print(f"old {describe(old.tree)}, new {describe(new.tree)}, {promos:,} promos", end="")
        print(f"; {rounds} rounds of {seconds} s each\n\n{report.header()}", flush=True)
        counted = {scenario.name: [0.0, 0.0] for scenario in scenarios}
        for place, side in enumerate((old, new)):
            for name, count in _count(bench, side, scenarios, seconds):
                counted[name][place] = count
        return _measure(bench, (old, new), scenarios, counted, seconds=seconds, rounds=rounds)


@contextmanager
def _sides(old_tree: Path, promos: int) -> Iterator[tuple[Bench, Side, Side]]:
    """Fill a database by the old tree's code, and give each side a copy of it."""
    unknown = migrations(old_tree) - migrations(ROOT)
    if unknown:
        raise SystemExit(f"This tree lacks migrations of the other: {', '.join(sorted(unknown))}.")
    with running_postgres(durable=True) as postgres, running_redis() as redis:
        _without_autovacuum(postgres)
        bench = furnished(postgres, _FILLED, old_tree, promos, redis.url)
        old = _copy(1, old_tree, postgres, redis.url)
        new = _copy(2, ROOT, postgres, redis.url)
        yield bench, old, new


def _copy(number: int, tree: Path, postgres: URL, redis_url: str) -> Side:
    url = create_database(postgres, f"bench_{number}", template=_FILLED)
    flask(tree, "db", "upgrade", url=url)
    return Side(tree, url, f"{redis_url.removesuffix('/0')}/{number}")


def _without_autovacuum(postgres: URL) -> None:
    """Keep PostgreSQL from work of its own, which would fall to whichever side is measured."""
    with closing(connection_to(postgres)) as connection:
        connection.autocommit = True
        connection.cursor().execute("ALTER SYSTEM SET autovacuum = off")
        connection.cursor().execute("SELECT pg_reload_conf()")


def _count(
    bench: Bench,
    side: Side,
    scenarios: Sequence[Scenario],
    seconds: int,
) -> Iterator[tuple[str, float]]:
    """Count the messages of each scenario, on a server that does nothing else meanwhile."""
    proxy, port = messages.Proxy(side.url), free_port()
    # Started like this, it does no background work and needs one connection of each kind.
    command = granian("coupon_management_flask.wsgi:app", port, 1, "--blocking-threads=1")
    with (
        proxy.running() as url,
        serving(side.tree, url, side.redis_url, command, port) as server,
    ):
        for scenario in scenarios:
            lines = scenario.lines(bench, _COUNTED, seconds)
            yield scenario.name, messages.count(proxy, server.url, lines)


def _measure(
    bench: Bench,
    sides: tuple[Side, Side],
    scenarios: Sequence[Scenario],
    counted: dict[str, list[float]],
    *,
    seconds: int,
    rounds: int,
) -> list[str]:
    postgres = cpu.postmaster(bench.url)
    wrong = []
    old, new = sides
    with (
        serving(old.tree, old.url, old.redis_url) as old_server,
        serving(new.tree, new.url, new.redis_url) as new_server,
    ):
        servers = (old_server, new_server)
        for scenario in scenarios:
            warm_up = scenario.lines(bench, _WARM_UP, seconds)
            for server in servers:
                load(server.url, warm_up, WARM_UP_SECONDS)
            done: tuple[list[report.Round], list[report.Round]] = ([], [])
            for number in range(rounds):
                lines = scenario.lines(bench, _FIRST_ROUND + number, seconds)
                for server, results in zip(servers, done, strict=True):
                    results.append(_round(server, postgres, lines, seconds))
            was, now = map(report.summary, done, counted[scenario.name])
            print(report.row(scenario.name, was, now), flush=True)
            if report.is_refused(was, now):
                wrong.append(scenario.name)
    return wrong


def _round(server: Server, postgres: int, lines: list[str], seconds: int) -> report.Round:
    before = cpu.used(server.process.pid), cpu.used(postgres)
    loaded = load(server.url, lines, seconds)
    after = cpu.used(server.process.pid), cpu.used(postgres)
    if loaded.requests == 0:
        raise SystemExit(f"No request was answered within {seconds} s. Is the machine busy?")
    return report.Round(
        loaded.requests,
        loaded.seconds,
        after[0] - before[0],
        after[1] - before[1],
        loaded.refused + loaded.broken,
    )
