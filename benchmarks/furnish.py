"""Fills a new database with some of everything: rows by COPY, and what a server of a tree writes.

What goes through a server is written by the tree's own code, which is asked for nothing but what
its contracts promise.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from tests.support.postgres import create_database
from tests.support.server import Server

from .load import load
from .scenarios import (
    CREDIT_COUPONS,
    DISCOUNT_CODES,
    HIDDEN_CODES,
    LIMITED_CODES,
    SCENARIOS,
    SERVICE,
    SIGNING_IN,
    USERS,
    Bench,
)
from .seed import HOT_UNITS, PASSWORD, application, seed, settle
from .trees import flask, serving

ADMINISTRATOR = "bench-administrator@user.test"


def furnished(postgres: URL, name: str, tree: Path, promos: int, redis_url: str) -> Bench:
    """Make a database with a tree's migrations, and fill it.

    Nobody is connected to it at the end.
    """
    url = create_database(postgres, name)
    flask(tree, "db", "upgrade", url=url)
    app = application(url)
    seeded = seed(app, url, promos=promos, users=USERS + SIGNING_IN)
    flask(tree, "create-admin", "--email", ADMINISTRATOR, "--password", PASSWORD, url=url)
    permissions = ["--permission", "getCoupons", "--permission", "manageCoupons"]
    shop_key = flask(tree, "api-keys", "create", "--service", "shop", *permissions, url=url).strip()
    settle(url)
    with serving(tree, url, redis_url) as server:
        _import_discounts(server, shop_key)
        administrator = _sign_in(server)
        _create_credit_coupons(server, administrator)
        voucher_type = _create_voucher_type(server, administrator)
        bench = Bench(app, url, seeded, shop_key, voucher_type)
        for scenario in SCENARIOS:
            if scenario.fills:
                load(server.url, scenario.lines(bench, 0, 1), 1)
    settle(url)
    return bench


def _ask(server: Server, method: str, path: str, **options: Any) -> Any:
    answer = server.request(method, path, **options)
    if not answer.ok:
        raise SystemExit(f"{method} {path} is refused: {answer.text}")
    return answer.json()


def _import_discounts(server: Server, shop_key: str) -> None:
    """Create codes with no limit that is ever reached, and codes with several."""
    terms = f"percentage,15,product,tea,{HOT_UNITS}"
    lines = ["code,type,discount,couponFor,products,maxUsage,limits.perCustomer,limits.perDay"]
    lines += [f"{code},{terms},," for code in DISCOUNT_CODES]
    lines += [f"{code},{terms},{HOT_UNITS},{HOT_UNITS}" for code in LIMITED_CODES]
    headers = {"X-API-Key": shop_key, "Content-Type": "text/csv"}
    body = "\n".join(lines)
    _ask(server, "POST", "/api/v1/coupons/import", headers=headers, data=body)


def _sign_in(server: Server) -> str:
    who = {"username": ADMINISTRATOR, "password": PASSWORD}
    return str(_ask(server, "POST", "/v1/auth/login", json=who)["access_token"])


def _create_credit_coupons(server: Server, administrator: str) -> None:
    end = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number in range(CREDIT_COUPONS):
        coupon = {
            "name": f"Coupon {number}",
            "value": 5,
            "hidden_code": HIDDEN_CODES[number],
            "number_left": HOT_UNITS,
            "expiration_date": end,
        }
        _ask(server, "POST", "/v1/coupons", token=administrator, json=coupon)


def _create_voucher_type(server: Server, administrator: str) -> str:
    kind = {
        "name": "Bench",
        "price": "10.00",
        "service_type": SERVICE,
        "max_uses": 1_000_000,
    }
    return str(_ask(server, "POST", "/api/vouchers/types", token=administrator, json=kind)["id"])
