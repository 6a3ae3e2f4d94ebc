"""Starts PostgreSQL, Redis and the production server, and prints what they do in a second, beside what they could do at most.

python -m benchmarks [--seconds 5] [--promos 1000000] [--only feed activate]
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask import Flask
from sqlalchemy.engine import URL

from coupon_management_flask import create_app
from coupon_management_flask.config import load_settings
from coupon_management_flask.identity import api_keys, sessions
from coupon_management_flask.web.guard import access_token
from tests.support.ports import free_port
from tests.support.postgres import create_database, postgres_binaries, running_postgres
from tests.support.redis import running_redis
from tests.support.server import Server, run_flask, running_server

from .seed import Seeded, seed, seed_discounts
from .statements import record

WORKERS = 2
CONNECTIONS = 16
TOKENS = 2_000
DISCOUNTS = 2000


@dataclass(frozen=True)
class Scenario:
    """A kind of request. `least` is what we promise to reach here (requests a second), if anything."""

    name: str
    size: str
    requests: Callable[["Bench"], list[str]]
    least: int | None = None
    with_pgbench: bool = True


@dataclass
class Bench:
    """A seeded database with somebody signed in."""

    app: Flask
    url: URL
    seeded: Seeded
    user_tokens: list[str]
    company_token: str
    shop_key: str
    discount_codes: list[str]

    def as_users(self, method: str, paths: list[str], body: str = "") -> list[str]:
        count = max(len(paths), len(self.user_tokens))
        return [
            f"{method} {paths[n % len(paths)]} {self.user_tokens[n % len(self.user_tokens)]} {body}".rstrip()
            for n in range(count)
        ]

    def as_shop(self, call: str, codes: list[str], **more: str) -> list[str]:
        """For a cart of three kinds of tea."""
        items = [
            {"productId": "tea", "category": category, "quantity": 2, "unitPrice": "9.95"}
            for category in ("green", "black", "white")
        ]
        bodies = [
            json.dumps({"code": code, "cartTotal": "59.70", "items": items, **more})
            for code in codes
        ]
        return [f"POST /api/v1/coupons/{call} key:{self.shop_key} {body}" for body in bodies]


def _promo_paths(bench: Bench, tail: str = "") -> list[str]:
    step = max(1, len(bench.seeded.promos) // 2000)
    return [f"/api/user/promo/{promo}{tail}" for promo in bench.seeded.promos[::step]]


def _active_paths(bench: Bench) -> list[str]:
    """Of promos that every user may activate."""
    from sqlalchemy import select

    from coupon_management_flask.db.session import db
    from coupon_management_flask.models import Promo

    with bench.app.app_context():
        found = db.session.scalars(
            select(Promo.id)
            .where(
                Promo.is_active,
                Promo.country_key == "",
                Promo.age_from.is_(None),
                Promo.age_until.is_(None),
            )
            .limit(2000)
        )
        return [
            f"/api/user/promo/{promo}/activate"
            for promo in found
            if promo != bench.seeded.hot_promo
        ]


_NEW_PROMO = json.dumps(
    {
        "description": "Ten percent off",
        "target": {"country": "de"},
        "max_count": 10,
        "mode": "COMMON",
        "promo_common": "BENCH-10",
    }
)
_SIGN_INS = [
    f'POST /api/user/auth/sign-in - {{"email": "bench-{n}@user.test", "password": "Passw0rd!"}}'
    for n in range(TOKENS, TOKENS + 400)
]

SCENARIOS = [
    Scenario("feed", "small", lambda b: b.as_users("GET", ["/api/user/feed"]), 1500),
    Scenario("feed", "large", lambda b: b.as_users("GET", ["/api/user/feed"]), 1500),
    Scenario(
        "feed, category, active",
        "large",
        lambda b: b.as_users("GET", ["/api/user/feed?category=tea&active=true"]),
    ),
    Scenario("promo by id", "large", lambda b: b.as_users("GET", _promo_paths(b)), 4000),
    Scenario("like", "large", lambda b: b.as_users("POST", _promo_paths(b, "/like"))),
    Scenario("activate, spread", "large", lambda b: b.as_users("POST", _active_paths(b))),
    Scenario(
        "activate, one hot promo",
        "large",
        lambda b: b.as_users("POST", [f"/api/user/promo/{b.seeded.hot_promo}/activate"]),
        1700,
    ),
    Scenario(
        "company's list", "large", lambda b: [f"GET /api/business/promo?limit=10 {b.company_token}"]
    ),
    Scenario(
        "publish",
        "large",
        lambda b: [f"POST /api/business/promo {b.company_token} {_NEW_PROMO}"],
        with_pgbench=False,
    ),
    Scenario("validate", "small", lambda b: b.as_shop("validate", b.discount_codes), 2500),
    Scenario("apply", "small", lambda b: b.as_shop("apply", b.discount_codes), 2500),
    Scenario(
        "redeem, spread",
        "small",
        lambda b: b.as_shop("redeem", b.discount_codes, orderId="{n}"),
        2000,
        with_pgbench=False,
    ),
    Scenario(
        "redeem, one hot code",
        "small",
        lambda b: b.as_shop("redeem", b.discount_codes[:1], orderId="{n}"),
        1700,
        with_pgbench=False,
    ),
    Scenario("sign-in", "small", lambda b: _SIGN_INS, 80, with_pgbench=False),
]


@contextmanager
def _bench(postgres: URL, name: str, promos: int) -> Iterator[Bench]:
    url = create_database(postgres, name)
    text = url.render_as_string(hide_password=False)
    run_flask("db", "upgrade", database_url=text)
    # First the application: it says what hashing a password costs.
    app = create_app(
        load_settings(
            dotenv=None, environment={**_ENVIRONMENT, "DATABASE_URL": text, "LOG_LEVEL": "WARNING"}
        )
    )
    with app.app_context():
        discount_codes = seed_discounts(DISCOUNTS)
    seeded = seed(text.replace("+psycopg2", ""), promos=promos, users=TOKENS + 400)
    with app.app_context():
        life = timedelta(hours=2)
        signed_in = [
            access_token(
                sessions.open_only_session(account, issued_by="promo", lifetime=life), life
            )
            for account in [seeded.company, *seeded.users[:TOKENS]]
        ]
        shop_key = api_keys.create_api_key("shop", ["getCoupons", "manageCoupons"], life)
    yield Bench(app, url, seeded, signed_in[1:], signed_in[0], shop_key, discount_codes)


# As in production, but for the limits: one machine makes all the load.
_ENVIRONMENT = {
    "APP_ENV": "production",
    "SECRET_KEY": "benchmark-secret-key-benchmark-secret-key",
    "RATE_LIMITS_ENABLED": "false",
    "ANTIFRAUD_MAX_PER_MINUTE": "1000000000",
    "PASSWORD_HASH_MEMORY_KIB": "19456",
    "PASSWORD_HASH_ROUNDS": "2",
    "LOG_LEVEL": "INFO",
}


def _load(server: Server, requests: list[str], seconds: int) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.write("\n".join(requests) + "\n")
        file.flush()
        command = [
            "wrk",
            "-t2",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "--latency",
            "-s",
            str(Path(__file__).with_name("load.lua")),
            server.url,
        ]
        ran = subprocess.run(
            command,
            env={**os.environ, "REQUESTS": file.name, "RUN": uuid4().hex},
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
        )
    found = re.search(r"^RESULT (.*)$", ran.stdout, re.MULTILINE)
    assert found is not None, ran.stdout
    return dict(json.loads(found[1]))


def _per_second(result: dict[str, Any]) -> float:
    return float(result["requests"] / result["microseconds"] * 1_000_000)


def _pgbench(bench: Bench, requests: list[str], seconds: int) -> float:
    """How many times a second PostgreSQL does the same statements, with nobody in between."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = record(bench.app, requests[:50], Path(folder))
        command = [
            str(postgres_binaries() / "pgbench"),
            "-n",
            "-M",
            "simple",
            f"-c{CONNECTIONS}",
            "-j2",
            f"-T{seconds}",
            *scripts,
        ]
        url = bench.url
        where = [
            "-h",
            str(url.host),
            "-p",
            str(url.port),
            "-U",
            str(url.username),
            str(url.database),
        ]
        ran = subprocess.run(
            [*command, *where], capture_output=True, text=True, check=False, timeout=seconds + 60
        )
    found = re.search(r"tps = ([\d.]+)", ran.stdout)
    assert found is not None, ran.stdout + ran.stderr
    return float(found[1])


def _bare(seconds: int) -> float:
    """How many answers a second the server gives that cost nothing."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--port",
        str(port),
        "--workers",
        str(WORKERS),
        "--no-ws",
        "benchmarks.bare:app",
    ]
    with running_server("", command=command, port=port) as server:
        return _per_second(_load(server, ["GET /api/health/live -"], seconds))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=int, default=5, help="for each figure")
    parser.add_argument("--promos", type=int, default=1_000_000, help="in the large database")
    parser.add_argument(
        "--only", nargs="*", default=[], help="names of scenarios, or how they start"
    )
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed (apt-get install wrk).")
    chosen = [
        s for s in SCENARIOS if not arguments.only or s.name.startswith(tuple(arguments.only))
    ]
    bare = _bare(arguments.seconds)
    print(f"bare server: {bare:,.0f}/s\n")
    header = f"{'':<26}{'promos':>10}{'requests/s':>12}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'pgbench/s':>11}{'of pgbench':>12}{'of bare':>9}{'to reach':>10}"
    print(header)
    with running_postgres(durable=True) as postgres, running_redis() as redis:
        for size, promos in (("small", 200), ("large", arguments.promos)):
            if any(scenario.size == size for scenario in chosen):
                _measure(
                    [s for s in chosen if s.size == size],
                    postgres,
                    f"bench_{size}",
                    promos,
                    redis.url,
                    bare,
                    arguments.seconds,
                )


def _measure(
    scenarios: list[Scenario],
    postgres: URL,
    name: str,
    promos: int,
    redis_url: str,
    bare: float,
    seconds: int,
) -> None:
    with _bench(postgres, name, promos) as bench:
        environment = {**_ENVIRONMENT, "REDIS_URL": redis_url}
        with running_server(
            bench.url.render_as_string(hide_password=False), workers=WORKERS, **environment
        ) as server:
            for scenario in scenarios:
                requests = scenario.requests(bench)
                _load(server, requests, 2)
                result = _load(server, requests, seconds)
                pgbench = _pgbench(bench, requests, seconds) if scenario.with_pgbench else None
                print(_row(scenario, promos, result, pgbench, bare), flush=True)


def _row(
    scenario: Scenario, promos: int, result: dict[str, Any], pgbench: float | None, bare: float
) -> str:
    rate = _per_second(result)
    wrong = (
        f"  {result['refused']} refused, {result['broken']} broken"
        if result["refused"] or result["broken"]
        else ""
    )
    times = "".join(f"{result[name] / 1000:>9.1f}" for name in ("p50", "p95", "p99"))
    database = f"{pgbench:>11,.0f}{rate / pgbench:>12.0%}" if pgbench else f"{'-':>11}{'-':>12}"
    return f"{scenario.name:<26}{promos:>10,}{rate:>12,.0f}{times}{database}{rate / bare:>9.0%}{scenario.least or '-':>10}{wrong}"


if __name__ == "__main__":
    main()
