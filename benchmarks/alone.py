"""One tree, beside what it could do at most: what PostgreSQL does alone, and a bare server."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.engine import URL

from tests.support.postgres import postgres_binaries, running_postgres
from tests.support.redis import running_redis
from tests.support.server import ROOT

from .furnish import furnished
from .load import CONNECTIONS, Loaded, bare, load
from .scenarios import Bench, Scenario
from .statements import record
from .trees import serving

SMALL = 200
WARM_UP_SECONDS = 2

_COLUMNS = {
    "promos": 10,
    "requests/s": 12,
    "p50 ms": 9,
    "p95 ms": 9,
    "p99 ms": 9,
    "pgbench/s": 11,
    "of pgbench": 12,
    "of bare": 9,
    "to reach": 10,
}


def measure(scenarios: Sequence[Scenario], *, seconds: int, promos: int) -> None:
    """Print a row for each scenario, on a small or a large database."""
    limit = bare(seconds)
    print(f"bare server: {limit:,.0f}/s\n")
    print(" " * 26 + "".join(f"{name:>{width}}" for name, width in _COLUMNS.items()))
    with running_postgres(durable=True) as postgres, running_redis() as redis:
        for size, count in (("small", SMALL), ("large", promos)):
            chosen = [scenario for scenario in scenarios if scenario.size == size]
            if chosen:
                _measure(chosen, postgres, count, redis.url, limit, seconds)


def _measure(
    scenarios: list[Scenario],
    postgres: URL,
    promos: int,
    redis_url: str,
    limit: float,
    seconds: int,
) -> None:
    bench = furnished(postgres, f"bench_{scenarios[0].size}", ROOT, promos, redis_url)
    with serving(ROOT, bench.url, redis_url) as server:
        for scenario in scenarios:
            load(server.url, scenario.lines(bench, 1, seconds), WARM_UP_SECONDS)
            requests = scenario.lines(bench, 2, seconds)
            loaded = load(server.url, requests, seconds)
            alone = _pgbench(bench, requests, seconds) if scenario.with_pgbench else None
            print(_row(scenario, promos, loaded, alone, limit), flush=True)


def _pgbench(bench: Bench, requests: list[str], seconds: int) -> float:
    """Measure how often a second PostgreSQL does the same statements, with nobody in between."""
    url = bench.url
    where = ["-h", str(url.host), "-p", str(url.port), "-U", str(url.username), str(url.database)]
    how = ["-n", "-M", "simple", f"-c{CONNECTIONS}", "-j2", f"-T{seconds}"]
    with tempfile.TemporaryDirectory() as folder:
        scripts = record(bench.app, requests[:50], Path(folder))
        ran = subprocess.run(
            [str(postgres_binaries() / "pgbench"), *how, *scripts, *where],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
    found = re.search(r"tps = ([\d.]+)", ran.stdout)
    assert found is not None, ran.stdout + ran.stderr
    return float(found[1])


def _row(
    scenario: Scenario,
    promos: int,
    loaded: Loaded,
    alone: float | None,
    limit: float,
) -> str:
    rate = loaded.per_second
    shown = [
        f"{promos:,}",
        f"{rate:,.0f}",
        *(f"{time:.1f}" for time in (loaded.p50, loaded.p95, loaded.p99)),
        f"{alone:,.0f}" if alone else "-",
        f"{rate / alone:.0%}" if alone else "-",
        f"{rate / limit:.0%}",
        str(scenario.least or "-"),
    ]
    cells = zip(shown, _COLUMNS.values(), strict=True)
    row = f"{scenario.name:<26}" + "".join(f"{text:>{width}}" for text, width in cells)
    wrong = f"  {loaded.refused} refused, {loaded.broken} broken"
    return row + wrong if loaded.refused or loaded.broken else row
