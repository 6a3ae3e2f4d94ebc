"""What is measured: kinds of requests, of all five contracts."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from flask import Flask
from sqlalchemy.engine import URL

from .seed import PASSWORD, Seeded, email_of, rows_of

# Users whose tokens the requests show. Those after them sign in.
USERS = 2_000
SIGNING_IN = 400
DISCOUNTS = 2_000
CREDIT_COUPONS = 100
SERVICE = "bench"
# Of requests that can be sent only once, each round has so many for each of its seconds. No server
# on two cores is faster.
MOST_A_SECOND = 4_000


@dataclass(frozen=True)
class Bench:
    """A filled database, and what callers must know of it. `app` runs over it in this process."""

    app: Flask
    url: URL
    seeded: Seeded
    shop_key: str
    voucher_type: str

    def as_users(self, method: str, paths: list[str], body: str = "", mark: str = "") -> list[str]:
        """Send each user to one of the paths, and each path to one of the users."""
        tokens = self.seeded.user_tokens[:USERS]
        lines = []
        for n in range(max(len(paths), USERS)):
            path, token = paths[n % len(paths)], tokens[n % USERS]
            lines.append(f"{method} {path} {mark}{token} {body}".rstrip())
        return lines

    def pairs(self, method: str, paths: list[str]) -> Iterable[str]:
        """Send every user to every path, once."""
        tokens = self.seeded.user_tokens[:USERS]
        for turn in range(len(paths)):
            for n, token in enumerate(tokens):
                yield f"{method} {paths[(n + turn) % len(paths)]} {token}"

    def as_shop(self, call: str, codes: list[str], **more: str) -> list[str]:
        """Ask for each code, for a cart of three kinds of tea."""
        tea = {"productId": "tea", "quantity": 2, "unitPrice": "9.95"}
        items = [{**tea, "category": category} for category in ("green", "black", "white")]
        cart = {"cartTotal": "59.70", "items": items, **more}
        bodies = (json.dumps({"code": code, **cart}) for code in codes)
        return [f"POST /api/v1/coupons/{call} key:{self.shop_key} {body}" for body in bodies]


@dataclass(frozen=True)
class Scenario:
    """A kind of request.

    `size` is the database that it is measured on where there are two. `least` is what we promise to
    reach here (requests a second), if anything. Requests that are `once` are refused when they are
    sent again. `fills` means that some are sent before anything is measured, for the rows that they
    write. `with_pgbench` means that PostgreSQL alone can be sent the same statements again.
    """

    name: str
    size: str
    requests: Callable[[Bench], Iterable[str]]
    least: int | None = None
    with_pgbench: bool = False
    once: bool = False
    fills: bool = False

    def lines(self, bench: Bench, part: int, seconds: int) -> list[str]:
        """Make the requests of a round. Where they are `once`, no other part has any of them.

        Raises: SystemExit where so many can't be made.
        """
        found = self.requests(bench)
        if not self.once:
            return list(found)
        size = seconds * MOST_A_SECOND
        lines = list(islice(found, part * size, (part + 1) * size))
        if len(lines) < size:
            raise SystemExit(f"{self.name}: there are too few requests for so many seconds.")
        return lines


DISCOUNT_CODES = [f"BENCH-{number}" for number in range(DISCOUNTS)]
LIMITED_CODES = [f"LIMITED-{number}" for number in range(DISCOUNTS)]
HIDDEN_CODES = [f"HIDDEN-{number}" for number in range(CREDIT_COUPONS)]

_COMMENT = json.dumps({"text": "Twice as good as the last one, and half as dear."})
_NEW_PROMO = json.dumps(
    {
        "description": "Ten percent off",
        "target": {"country": "de"},
        "max_count": 10,
        "mode": "COMMON",
        "promo_common": "BENCH-10",
    }
)
_PAIR = json.dumps({"email": "visitor-{n}@example.com", "website": "shop.example.com"})


def _feed(bench: Bench) -> list[str]:
    return bench.as_users("GET", ["/api/user/feed"])


def _feed_of_category(bench: Bench) -> list[str]:
    return bench.as_users("GET", ["/api/user/feed?category=tea&active=true"])


def _promo_paths(bench: Bench, tail: str = "") -> list[str]:
    promos = bench.seeded.promos
    step = max(1, len(promos) // 2000)
    return [f"/api/user/promo/{promo}{tail}" for promo in promos[::step]]


def _promos(bench: Bench) -> list[str]:
    return bench.as_users("GET", _promo_paths(bench))


def _likes(bench: Bench) -> list[str]:
    return bench.as_users("POST", _promo_paths(bench, "/like"))


def _new_likes(bench: Bench) -> Iterable[str]:
    return bench.pairs("POST", _promo_paths(bench, "/like"))


def _comments(bench: Bench) -> list[str]:
    return bench.as_users("POST", _promo_paths(bench, "/comments"), _COMMENT)


def _comments_with_key(bench: Bench) -> list[str]:
    return bench.as_users("POST", _promo_paths(bench, "/comments"), _COMMENT, mark="once+")


# Of these every user may activate each.
_FOR_EVERYBODY = """
    SELECT id FROM promos
    WHERE is_active AND country_key = '' AND age_from IS NULL AND age_until IS NULL
    ORDER BY id LIMIT 2001
"""


def _activations(bench: Bench) -> list[str]:
    ids = [str(found) for (found,) in rows_of(bench.url, _FOR_EVERYBODY)]
    spread = [found for found in ids if found != str(bench.seeded.hot_promo)]
    return bench.as_users("POST", [f"/api/user/promo/{found}/activate" for found in spread])


def _hot_activations(bench: Bench) -> list[str]:
    return bench.as_users("POST", [f"/api/user/promo/{bench.seeded.hot_promo}/activate"])


def _companys_list(bench: Bench) -> list[str]:
    return [f"GET /api/business/promo?limit=10 {bench.seeded.company_token}"]


def _publications(bench: Bench) -> list[str]:
    return [f"POST /api/business/promo {bench.seeded.company_token} {_NEW_PROMO}"]


def _validations(bench: Bench) -> list[str]:
    return bench.as_shop("validate", DISCOUNT_CODES)


def _applications(bench: Bench) -> list[str]:
    return bench.as_shop("apply", DISCOUNT_CODES)


def _orders(bench: Bench) -> list[str]:
    return bench.as_shop("redeem", DISCOUNT_CODES, orderId="{n}")


def _hot_orders(bench: Bench) -> list[str]:
    return bench.as_shop("redeem", DISCOUNT_CODES[:1], orderId="{n}")


def _limited_orders(bench: Bench) -> list[str]:
    return bench.as_shop("redeem", LIMITED_CODES, orderId="{n}", customerId="{n}")


def _credit_coupons(bench: Bench) -> list[str]:
    return bench.as_users("GET", ["/v1/coupons"])


def _credit_coupon_uses(bench: Bench) -> Iterable[str]:
    return bench.pairs("POST", [f"/v1/coupons/use/{code}" for code in HIDDEN_CODES])


def _email_coupons(_bench: Bench) -> list[str]:
    return [f"POST /api/coupons - {_PAIR}"]


def _voucher_purchases(bench: Bench) -> list[str]:
    body = json.dumps({"voucher_type_id": bench.voucher_type})
    return bench.as_users("POST", ["/api/vouchers/purchase"], body)


def _voucher_uses(bench: Bench) -> list[str]:
    emails = {email_of(n): token for n, token in enumerate(bench.seeded.user_tokens)}
    statement = "SELECT code, email FROM vouchers JOIN accounts ON accounts.id = account_id"
    statement += " ORDER BY vouchers.id LIMIT 2000"
    lines = []
    for code, email in rows_of(bench.url, statement):
        body = json.dumps({"code": code, "service_type": SERVICE})
        lines.append(f"POST /api/vouchers/redeem {emails[email]} {body}")
    return lines


def _sign_ins(_bench: Bench) -> list[str]:
    emails = map(email_of, range(USERS, USERS + SIGNING_IN))
    bodies = (json.dumps({"email": email, "password": PASSWORD}) for email in emails)
    return [f"POST /api/user/auth/sign-in - {body}" for body in bodies]


SCENARIOS = [
    Scenario("feed", "small", _feed, 1500, with_pgbench=True),
    Scenario("feed", "large", _feed, 1500, with_pgbench=True),
    Scenario("feed, category, active", "large", _feed_of_category, with_pgbench=True),
    Scenario("promo by id", "large", _promos, 4000, with_pgbench=True),
    Scenario("like", "large", _likes, with_pgbench=True),
    Scenario("like, new", "large", _new_likes, once=True, fills=True),
    Scenario("comment", "large", _comments, fills=True),
    Scenario("comment, Idempotency-Key", "large", _comments_with_key, fills=True),
    Scenario("activate, spread", "large", _activations, with_pgbench=True, fills=True),
    Scenario("activate, one hot promo", "large", _hot_activations, 1700, with_pgbench=True),
    Scenario("company's list", "large", _companys_list, with_pgbench=True),
    Scenario("publish", "large", _publications),
    Scenario("validate", "small", _validations, 2500, with_pgbench=True),
    Scenario("apply", "small", _applications, 2500, with_pgbench=True),
    Scenario("redeem, spread", "small", _orders, 2000, fills=True),
    Scenario("redeem, one hot code", "small", _hot_orders, 1700),
    Scenario("redeem, limited codes", "small", _limited_orders, fills=True),
    Scenario("credit coupons", "small", _credit_coupons),
    Scenario("use a credit coupon", "small", _credit_coupon_uses, once=True, fills=True),
    Scenario("e-mail coupon", "small", _email_coupons, fills=True),
    Scenario("buy a voucher", "small", _voucher_purchases, fills=True),
    Scenario("redeem a voucher", "small", _voucher_uses, fills=True),
    Scenario("sign-in", "small", _sign_ins, 80),
]
