"""Measure the dashboard over millions of redemptions, and how fast they are summed up and exported.

python -m benchmarks.analytics [--redemptions 5000000] [--calls 30]
"""

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from statistics import quantiles
from typing import Any
from uuid import UUID

import psycopg2
from flask import Flask

from coupon_management_flask import create_app
from coupon_management_flask.analytics.figures import counting, rollup
from coupon_management_flask.config import load_settings
from coupon_management_flask.identity import accounts, sessions
from coupon_management_flask.models import new_id
from coupon_management_flask.web.guard import access_token
from tests.support.postgres import create_database, running_postgres
from tests.support.server import TEST_ENVIRONMENT, run_flask

# Of ten redemptions three are of promos, four of discount codes (one of them of a code for one
# use), one of e-mail coupons and two of vouchers. They are spread over a year and two days, the
# last of them a few minutes ago. One of fifty is rolled back.
_SEED = """
CREATE FUNCTION pg_temp.id_at(moment timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12,
        '0') || '7' || substr(r, 1, 3) || '8' || substr(r, 4, 15))::uuid
    FROM (SELECT md5(random()::text) AS r) x $$;
CREATE TEMPORARY TABLE happened AS
    SELECT n, n %% 10 AS kind, pg_temp.id_at(moment) AS id, moment
    FROM generate_series(1, %(redemptions)s) n, LATERAL (
        SELECT now() - interval '3 minutes' - (%(redemptions)s - n) * interval '368 days' /
            %(redemptions)s AS moment) m;

INSERT INTO accounts (id, kind, username, username_key, name, surname, role, is_active,
    password_hash, created_at)
SELECT pg_temp.id_at(moment), 'user', 'seeded-' || n, 'seeded-' || n, 'Seeded', '', 'user', true,
    'x', moment
FROM (SELECT n, now() - n * interval '1 minute' AS moment FROM generate_series(10,
    10 + %(users)s - 1) n) x;
CREATE TEMPORARY TABLE people AS SELECT id, row_number() OVER () - 1 AS n FROM accounts WHERE
    kind = 'user' AND username LIKE 'seeded-%%';
CREATE INDEX ON people (n);

CREATE TEMPORARY TABLE offers AS SELECT n, gen_random_uuid() AS id FROM generate_series(0,
    1999) n;
CREATE INDEX ON offers (n);
INSERT INTO stocks (id, capacity, claimed) SELECT id, NULL, 0 FROM offers;
INSERT INTO promos (id, company_id, description, mode, promo_common, max_count, stock_id,
    country_key, version, is_active, created_at)
SELECT id, (SELECT id FROM people LIMIT 1), 'promo ' || n, 'COMMON', 'x', 100000000, id, '', 1,
    true, now() FROM offers WHERE n < 1000;

-- Codes for one use: every other one stands alone, the others are of a batch. Then the shop's.
INSERT INTO coupon_batches (id, pattern, template, size, done, created_at) VALUES (%(batch)s,
    'SEED-####', '{}', 1, 1, now());
INSERT INTO stocks (id, capacity, claimed) SELECT id, 1, 1 FROM happened WHERE kind IN (6, 7);
INSERT INTO discount_coupons (id, code, type, discount, currency, coupon_for, products,
    categories, excluded_products, excluded_categories,
    customer_ids, first_order_only, limits, combinable, priority, base, is_active, is_public,
        is_bound, for_every_product, stock_id, batch_id, version,
    expires_at, created_at, updated_at)
SELECT id, 'SEEDED-' || n, CASE WHEN n %% 3 = 0 THEN 'fixed' ELSE 'percentage' END, 100000,
    CASE WHEN n %% 4 = 0 THEN 'EUR' ELSE 'USD' END, 'product',
    '[]', '[]', '[]', '[]', '[]', false, '{}', true, 0, 'remaining', n %% 100 <> 0, false, false,
        true, id,
    CASE WHEN batch THEN %(batch)s::uuid END, 1, created_at + interval '90 days', created_at,
        created_at
FROM (SELECT n, id, kind = 6 AND n %% 20 = 6 AS batch, moment - interval '1 day' AS created_at
    FROM happened WHERE kind IN (6, 7)
    UNION ALL SELECT -n, id, false, now() FROM offers WHERE n >= 1000) x;
INSERT INTO email_coupons (id, email, website, number, coupon_id, message_id, created_at)
SELECT pg_temp.id_at(moment - interval '1 day'), 'seeded-' || n, 'website-' || n %% 50, 1, id,
    id, moment - interval '1 day' FROM happened WHERE kind = 7;

INSERT INTO voucher_types (id, name, description, price, currency, service_type, is_active,
    validity_days, max_uses, created_at)
SELECT id, 'type ' || n, '', 1000, 'USD', 'x', true, 200, 1, now() FROM offers WHERE n < 10;
CREATE TEMPORARY TABLE sold AS
    SELECT h.n, gen_random_uuid() AS purchase_id, pg_temp.id_at(bought) AS id, bought,
        a.id AS account_id, o.id AS type_id, h.id AS stock_id
    FROM happened h JOIN people a ON a.n = h.n / 10 %% %(users)s JOIN offers o ON o.n = h.n / 10
        %% 10,
        LATERAL (SELECT h.moment - interval '2 days' AS bought) b
    WHERE h.kind >= 8;
INSERT INTO stocks (id, capacity, claimed) SELECT stock_id, 1, 1 FROM sold;
INSERT INTO voucher_purchases (id, account_id, voucher_type_id, quantity, unit_price, discount,
    total, currency, credits, created_at, refunded_at)
SELECT purchase_id, account_id, type_id, 1, 1000, 0, 1000, 'USD', 1000, bought,
    CASE WHEN n %% 500 = 8 THEN bought + interval '1 day' END FROM sold;
INSERT INTO vouchers (id, code, code_key, account_id, voucher_type_id, purchase_id, position,
    stock_id, purchase_date, expiry_date, cancelled_at)
SELECT id, 'V' || n, 'V' || n, account_id, type_id, purchase_id, 0, stock_id, bought,
    bought + interval '200 days',
    CASE WHEN n %% 500 = 8 THEN bought + interval '1 day' END FROM sold;

INSERT INTO sale_changes (id, purchase_id, vouchers, used_up, amount, currency, created_at)
SELECT pg_temp.id_at(bought + interval '1 day'), purchase_id, -1, -1, -1000, 'USD',
    bought + interval '1 day' FROM sold WHERE n %% 500 = 8;

INSERT INTO redemptions (id, stock_id, claim_key, units, kind, account_id, code, amount,
    currency, created_at, rolled_back_at)
SELECT h.id, CASE WHEN kind < 6 THEN o.id ELSE h.id END, CASE WHEN h.n %% 50 <> 5 THEN 'seeded:'
    || h.n END, 1,
    CASE WHEN kind < 3 THEN 'promo' WHEN kind < 8 THEN 'discount' ELSE 'voucher' END, a.id,
        'CODE',
    CASE WHEN kind BETWEEN 3 AND 7 THEN h.n %% 1000 ELSE 0 END, CASE WHEN kind BETWEEN 3 AND 7
        THEN CASE WHEN h.n %% 4 = 0 THEN 'EUR' ELSE 'USD' END END,
    moment, CASE WHEN h.n %% 50 = 5 THEN moment + interval '1 minute' END
FROM happened h JOIN people a ON a.n = h.n %% %(users)s JOIN offers o ON o.n = h.n / 10 %% 1000 +
    CASE WHEN kind < 3 THEN 0 ELSE 1000 END
ORDER BY h.n;
"""
USERS = 1_000


def seed_redemptions(connection: Any, redemptions: int) -> None:
    """So many redemptions of all kinds but credit, with what they are of."""
    cursor = connection.cursor()
    cursor.execute(
        _SEED,
        {
            "redemptions": redemptions,
            "users": min(USERS, redemptions // 10),
            "batch": str(new_id()),
        },
    )


def _signed_in(account_id: UUID) -> dict[str, str]:
    life = timedelta(hours=4)
    grant = sessions.open_only_session(account_id, issued_by=sessions.Issuer.VOUCHER, lifetime=life)
    return {"Authorization": f"Bearer {access_token(grant, life)}"}


def _measure(name: str, calls: int, call: Callable[[], Any]) -> None:
    call()
    took = []
    for _ in range(calls):
        began = time.perf_counter()
        assert call().status_code == 200
        took.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(took, n=20)
    print(
        f"{name:<60}{quantiles(took, n=2)[0]:>10.1f}{cuts[18]:>10.1f}{max(took):>10.1f}", flush=True
    )


def _timed(name: str, work: Callable[[], Any]) -> None:
    began = time.perf_counter()
    work()
    print(f"{name:<60}{time.perf_counter() - began:>10.1f} s", flush=True)


def _sum_up(app: Flask) -> None:
    with app.app_context():
        while rollup.roll_up() == rollup.STEPS_AT_ONCE:
            pass
        counting.count_coupons()


def _look(app: Flask, calls: int, callers: dict[str, dict[str, str]], state: str) -> None:
    client = app.test_client()
    for who, headers in callers.items():
        for days in (30, 366):
            path = f"/api/analytics/dashboard/?days={days}"
            _measure(
                f"{who}, {days} days, {state}",
                calls,
                lambda: client.get(path, headers=headers),  # noqa: B023
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.analytics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--redemptions", type=int, default=5_000_000)
    parser.add_argument("--calls", type=int, default=30, help="for each figure")
    arguments = parser.parse_args()
    with running_postgres(durable=True) as postgres:
        text = create_database(postgres, "bench_analytics").render_as_string(hide_password=False)
        run_flask("db", "upgrade", database_url=text)
        app = create_app(
            load_settings(dotenv=None, environment={**TEST_ENVIRONMENT, "DATABASE_URL": text})
        )
        with closing(psycopg2.connect(text.replace("+psycopg2", ""))) as connection:
            connection.autocommit = True
            _timed(
                f"{arguments.redemptions:,} redemptions seeded",
                lambda: seed_redemptions(connection, arguments.redemptions),
            )
            connection.cursor().execute("VACUUM ANALYZE")
            cursor = connection.cursor()
            cursor.execute("SELECT id FROM accounts WHERE username LIKE 'seeded-%%' LIMIT 1", ())
            user_id = UUID(cursor.fetchone()[0])
        with app.app_context():
            administrator_id = accounts.create_user(
                username="admin", password="Passw0rd!", name="Admin", role="administrator"
            )
            callers = {"administrator": _signed_in(administrator_id), "user": _signed_in(user_id)}
        _timed("all summed up", lambda: _sum_up(app))
        with closing(psycopg2.connect(text.replace("+psycopg2", ""))) as connection:
            # As autovacuum does.
            connection.autocommit = True
            connection.cursor().execute("VACUUM ANALYZE daily_figures")
        print(f"\n{'dashboard':<60}{'p50 ms':>10}{'p95 ms':>10}{'worst':>10}")
        _look(app, arguments.calls, callers, "all summed up")
        with (
            app.app_context(),
            closing(psycopg2.connect(text.replace("+psycopg2", ""))) as connection,
            connection,
        ):
            connection.cursor().execute(_MORE, {"more": 10_000})
        _look(
            app,
            arguments.calls,
            {"administrator": callers["administrator"]},
            "10,000 redemptions not yet",
        )
        print()
        size = 0

        def export() -> None:
            nonlocal size
            for chunk in (
                app.test_client()
                .get("/api/analytics/export.csv?days=30", headers=callers["administrator"])
                .response
            ):
                size += len(chunk)

        _timed("export of 30 days", export)
        print(f"{size:,} characters")


# A minute's worth: the last ones again, as if they came just now.
_MORE = """
INSERT INTO redemptions (id, stock_id, claim_key, units, kind, account_id, code, amount,
    currency, created_at)
SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7' || substr(r, 1,
    3) || '8' || substr(r, 4, 15))::uuid,
    stock_id, 'more:' || id, 1, kind, account_id, code, amount, currency, now()
FROM (SELECT *, md5(id::text) AS r FROM redemptions WHERE kind <> 'voucher' ORDER BY id DESC
    LIMIT %(more)s) x
"""

if __name__ == "__main__":
    main()
