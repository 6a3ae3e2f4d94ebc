"""Fills a migrated PostgreSQL database for the scenarios: by COPY, with the rows that the service itself would have written."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2
from uuid_utils.compat import uuid7

from coupon_management_flask.discount_coupons.bulk import imports
from coupon_management_flask.identity import passwords
from coupon_management_flask.promos.feed import ages as age_nodes

CATEGORIES = ["coffee", "tea", "books", "shoes", "games"]
COUNTRIES = ["", "", "", "us", "de", "fr", "kz", "br"]
HOT_UNITS = 100_000_000


@dataclass(frozen=True)
class Seeded:
    company: UUID
    users: list[UUID]
    promos: list[UUID]
    hot_promo: UUID


def seed(url: str, *, promos: int, users: int, randomness: int = 1) -> Seeded:
    """`promos` promos of one company (and one that everybody activates), `users` users of all ages and countries."""
    chance = random.Random(randomness)
    now = datetime.now(UTC)
    password_hash = passwords.hash_password("Passw0rd!")
    company, people = uuid7(), [uuid7() for _ in range(users)]
    with psycopg2.connect(url) as connection:
        accounts = [
            [
                company,
                "company",
                None,
                "bench@company.test",
                password_hash,
                "Bench Company",
                None,
                None,
            ]
        ]
        for number, person in enumerate(people):
            email = f"bench-{number}@user.test"
            accounts.append(
                [
                    person,
                    "user",
                    email,
                    email,
                    password_hash,
                    "Bench",
                    chance.randint(0, 100),
                    chance.choice(COUNTRIES[3:]),
                ]
            )
        columns = "id kind username username_key email email_key password_hash name surname role is_active age country created_at"
        _copy(
            connection,
            "accounts",
            columns,
            (
                [a[0], a[1], a[2], a[2], a[3], a[3], a[4], a[5], "", "user", True, a[6], a[7], now]
                for a in accounts
            ),
        )
        _copy(connection, "wallets", "account_id balance", ([person, 0] for person in people))
        ids = _seed_promos(connection, company, promos, now, chance)
        connection.commit()
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")
    return Seeded(company, people, ids[:-1], ids[-1])


def seed_discounts(count: int) -> list[str]:
    """`count` discount codes that never run out; in the application's context."""
    codes = [f"BENCH-{number}" for number in range(count)]
    lines = [
        "code,type,discount,couponFor,products,maxUsage",
        *(f"{code},percentage,15,product,tea,{HOT_UNITS}" for code in codes),
    ]
    imports.import_coupons(["\n".join(lines).encode()], currency="USD")
    return codes


def _seed_promos(
    connection: Any, company: UUID, promos: int, now: datetime, chance: random.Random
) -> list[UUID]:
    rows, entries, counts, countries = [], [], Counter[tuple[Any, ...]](), Counter[str]()
    # Published one after another until now, so that their ids sort as they would.
    began = now - timedelta(milliseconds=promos)
    for number in range(promos + 1):
        promo_id = _id_at(began + timedelta(milliseconds=number), chance)
        hot = number == promos
        country = "" if hot else chance.choice(COUNTRIES)
        ages = (
            (None, None)
            if hot or chance.random() < 0.5
            else tuple(sorted((chance.randint(0, 100), chance.randint(0, 100))))
        )
        categories = [] if hot else chance.sample(CATEGORIES, chance.randint(0, 2))
        is_active = hot or chance.random() < 0.8
        rows.append(
            [
                promo_id,
                uuid7(),
                country,
                ages,
                categories,
                is_active,
                HOT_UNITS if is_active else 0,
                began + timedelta(milliseconds=number),
            ]
        )
        countries[country] += 1
        for category in ["", *categories]:
            for node in age_nodes.nodes_of_ages(*ages):
                entries.append([promo_id, category, node, country, is_active])
                counts[category, country, node, is_active] += 1
    _copy(connection, "stocks", "id capacity claimed", ([row[1], row[6], 0] for row in rows))
    columns = "id company_id description mode promo_common max_count stock_id age_from age_until country country_key categories version is_active created_at"
    _copy(connection, "promos", columns, (_promo(company, row) for row in rows))
    _copy(connection, "promo_counters", "promo_id likes comments", ([row[0], 0, 0] for row in rows))
    _copy(
        connection, "feed_entries", "promo_id category_key age_node country_key is_active", entries
    )
    _copy(
        connection,
        "feed_counts",
        "category_key country_key age_node is_active promos",
        ([*key, count] for key, count in counts.items()),
    )
    _copy(
        connection,
        "company_promo_counts",
        "company_id country_key promos",
        ([company, country, count] for country, count in countries.items()),
    )
    return [row[0] for row in rows]


def _promo(company: UUID, row: list[Any]) -> list[Any]:
    promo_id, stock_id, country, ages, categories, is_active, units, created_at = row
    listed = "{}".replace("{}", "[" + ", ".join(f'"{category}"' for category in categories) + "]")
    description = "Ten percent off whatever you like best in our shop, this week and the next."
    return [
        promo_id, company, description, "COMMON", "BENCH-10", units, stock_id, *ages, country or None, country, listed, 1, is_active, created_at
    ]  # fmt: skip


def _id_at(moment: datetime, chance: random.Random) -> UUID:
    """A UUID version 7 of that moment."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(
        int=(milliseconds << 80)
        | (0x7 << 76)
        | (chance.getrandbits(12) << 64)
        | (0b10 << 62)
        | chance.getrandbits(62)
    )


class _Lines:
    """Rows as the text that COPY reads, a chunk at a time."""

    def __init__(self, rows: Iterable[list[Any]]) -> None:
        self._lines = self._texts(rows)
        self._rest = ""

    def _texts(self, rows: Iterable[list[Any]]) -> Iterator[str]:
        for row in rows:
            yield "\t".join("\\N" if value is None else str(value) for value in row) + "\n"

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
    connection.cursor().copy_expert(
        f"COPY {table} ({', '.join(columns.split())}) FROM STDIN", _Lines(rows), 1 << 20
    )
