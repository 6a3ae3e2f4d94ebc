"""Fills a migrated PostgreSQL database by COPY, with rows that the service would have written.

All that benchmarks ask of the package's inside is imported here and in statements.py. The columns
are those of the older of two trees that are compared.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2
from flask import Flask
from sqlalchemy.engine import URL
from uuid_utils.compat import uuid7

from coupon_management_flask import create_app
from coupon_management_flask.config import load_settings
from coupon_management_flask.identity import passwords, sessions
from coupon_management_flask.promos.feed.ages import nodes_of_ages
from coupon_management_flask.web.guard import access_token

from .trees import ENVIRONMENT, text_of

CATEGORIES = ["coffee", "tea", "books", "shoes", "games"]
COUNTRIES = ["", "", "", "us", "de", "fr", "kz", "br"]
HOT_UNITS = 100_000_000
PASSWORD = "Passw0rd!"
CREDIT = 1_000_000_000_000
SIGNED_IN_FOR = timedelta(hours=4)


@dataclass(frozen=True)
class Seeded:
    """Who and what is there. `user_tokens` and `company_token` are access tokens."""

    hot_promo: UUID
    promos: list[UUID]
    user_tokens: list[str]
    company_token: str


def application(url: URL) -> Flask:
    """Make this tree's application over a database, in this process."""
    address = {"DATABASE_URL": text_of(url), "LOG_LEVEL": "WARNING"}
    return create_app(load_settings(dotenv=None, environment={**ENVIRONMENT, **address}))


def connection_to(url: URL) -> Any:
    return psycopg2.connect(text_of(url.set(drivername="postgresql")))


def seed(app: Flask, url: URL, *, promos: int, users: int, randomness: int = 1) -> Seeded:
    """Write `promos` promos of one company and one that everybody activates, and `users` users.

    Users are of all ages and countries, and rich. They and the company are signed in.
    """
    chance = random.Random(randomness)
    now = datetime.now(UTC)
    company, people = uuid7(), [uuid7() for _ in range(users)]
    with app.app_context(), closing(connection_to(url)) as connection:
        _seed_accounts(connection, company, people, now, chance)
        company_token, *user_tokens = _sign_in(connection, [company, *people], now)
        ids = _seed_promos(connection, company, promos, now, chance)
        connection.commit()
    return Seeded(ids[-1], ids[:-1], user_tokens, company_token)


def _seed_accounts(
    connection: Any,
    company: UUID,
    people: list[UUID],
    now: datetime,
    chance: random.Random,
) -> None:
    password_hash = passwords.hash_password(PASSWORD)
    firm = "bench@company.test"
    names = [None, None, firm, firm]
    rows: list[list[Any]]
    rows = [[company, "company", *names, password_hash, "Bench Company", "", None, None]]
    for number, person in enumerate(people):
        email = email_of(number)
        age, country = chance.randint(0, 100), chance.choice(COUNTRIES[3:])
        rows.append([person, "user", *[email] * 4, password_hash, "Bench", "", age, country])
    columns = "id kind username username_key email email_key password_hash name surname age country"
    more = ["user", True, now]
    everybody = ([*row, *more] for row in rows)
    _copy(connection, "accounts", f"{columns} role is_active created_at", everybody)
    _copy(connection, "wallets", "account_id balance", ([person, CREDIT] for person in people))
    columns = "id account_id amount balance_after reason created_at"
    entries = ([uuid7(), person, CREDIT, CREDIT, "opening balance", now] for person in people)
    _copy(connection, "ledger_entries", columns, entries)


def email_of(number: int) -> str:
    """Say what a user signs in with, together with PASSWORD."""
    return f"bench-{number}@user.test"


def _sign_in(connection: Any, accounts: list[UUID], now: datetime) -> list[str]:
    """Open a session for each account, and return the access tokens."""
    grants = [sessions.Grant(account, uuid7(), None) for account in accounts]
    end = now + SIGNED_IN_FOR
    rows = ([grant.session_id, grant.account_id, "promo", now, end] for grant in grants)
    _copy(connection, "sessions", "id account_id issued_by created_at expires_at", rows)
    return [access_token(grant, SIGNED_IN_FOR) for grant in grants]


def settle(url: URL) -> None:
    """Bring a database that has been filled to rest, so that it can be copied: all connections end.

    Tables have their statistics before anything is planned. Plans are kept, and one that was made
    for an empty table would stay.
    """
    others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    others += " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with closing(connection_to(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(others)
        connection.cursor().execute("VACUUM ANALYZE")


def rows_of(url: URL, statement: str) -> list[tuple[Any, ...]]:
    with closing(connection_to(url)) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


@dataclass(frozen=True, slots=True)
class _Promo:
    id: UUID
    stock_id: UUID
    created_at: datetime
    country: str = ""
    ages: tuple[int, int] | tuple[None, None] = (None, None)
    categories: tuple[str, ...] = ()
    is_active: bool = True

    @property
    def units(self) -> int:
        return HOT_UNITS if self.is_active else 0

    def row(self, company: UUID) -> list[Any]:
        """Say what stands in the columns of _PROMO_COLUMNS."""
        description = "Ten percent off whatever you like best in our shop, this week and the next."
        terms = [description, "COMMON", "BENCH-10", self.units, self.stock_id, *self.ages]
        places = [self.country or None, self.country, json.dumps(self.categories)]
        return [self.id, company, *terms, *places, 1, self.is_active, self.created_at]


_PROMO_COLUMNS = """
    id company_id description mode promo_common max_count stock_id age_from age_until
    country country_key categories version is_active created_at
"""


def _seed_promos(
    connection: Any,
    company: UUID,
    count: int,
    now: datetime,
    chance: random.Random,
) -> list[UUID]:
    """Write promos, and return their ids. The last one is for everybody."""
    # Published one after another until now, so that their ids sort as they would.
    moments = [now - timedelta(milliseconds=count - number) for number in range(count + 1)]
    promos = [_some_promo(moment, chance) for moment in moments[:-1]]
    promos.append(_Promo(_id_at(moments[-1], chance), uuid7(), moments[-1]))
    entries: list[list[Any]] = []
    counts: Counter[tuple[str, str, int, bool]] = Counter()
    for promo in promos:
        for category in ("", *promo.categories):
            for node in nodes_of_ages(*promo.ages):
                entries.append([promo.id, category, node, promo.country, promo.is_active])
                counts[category, promo.country, node, promo.is_active] += 1
    countries = Counter(promo.country for promo in promos)
    stocks = ([promo.stock_id, promo.units, 0] for promo in promos)
    _copy(connection, "stocks", "id capacity claimed", stocks)
    _copy(connection, "promos", _PROMO_COLUMNS, (promo.row(company) for promo in promos))
    counters = ([promo.id, 0, 0] for promo in promos)
    _copy(connection, "promo_counters", "promo_id likes comments", counters)
    columns = "promo_id category_key age_node country_key is_active"
    _copy(connection, "feed_entries", columns, entries)
    columns = "category_key country_key age_node is_active promos"
    _copy(connection, "feed_counts", columns, ([*key, found] for key, found in counts.items()))
    columns = "company_id country_key promos"
    by_country = ([company, country, found] for country, found in countries.items())
    _copy(connection, "company_promo_counts", columns, by_country)
    return [promo.id for promo in promos]


def _some_promo(moment: datetime, chance: random.Random) -> _Promo:
    promo_id, country = _id_at(moment, chance), chance.choice(COUNTRIES)
    ages: tuple[int, int] | tuple[None, None] = (None, None)
    if chance.random() < 0.5:
        first, second = chance.randint(0, 100), chance.randint(0, 100)
        ages = min(first, second), max(first, second)
    categories = tuple(chance.sample(CATEGORIES, chance.randint(0, 2)))
    return _Promo(promo_id, uuid7(), moment, country, ages, categories, chance.random() < 0.8)


def _id_at(moment: datetime, chance: random.Random) -> UUID:
    """Make a UUID version 7 of that moment."""
    milliseconds = int(moment.timestamp() * 1000)
    first, second = chance.getrandbits(12), chance.getrandbits(62)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (first << 64) | (0b10 << 62) | second)


class _Lines:
    """Rows as the text that COPY reads, a chunk at a time."""

    def __init__(self, rows: Iterable[list[Any]]) -> None:
        self._lines = self._texts(rows)
        self._rest = ""

    def _texts(self, rows: Iterable[list[Any]]) -> Iterator[str]:
        for row in rows:
            yield "\t".join(r"\N" if value is None else str(value) for value in row) + "\n"

    def read(self, size: int) -> str:
        parts, length = [self._rest], len(self._rest)
        while length < size:
            line = next(self._lines, None)
            if line is None:
                break
            parts.append(line)
            length += len(line)
        text = "".join(parts)
        self._rest = text[size:]
        return text[:size]


def _copy(connection: Any, table: str, columns: str, rows: Iterable[list[Any]]) -> None:
    statement = f"COPY {table} ({', '.join(columns.split())}) FROM STDIN"
    connection.cursor().copy_expert(statement, _Lines(rows), 1 << 20)
