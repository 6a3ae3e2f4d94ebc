"""Size: among tens of thousands of codes a call looks at as many rows as it needs."""

import psycopg2
import pytest

from coupon_management_flask import create_app

from ..conftest import settings_for
from ..support import people
from ..support.plans import scans, sent_while
from .conftest import PATH

pytestmark = pytest.mark.both_databases

CODES = 30_000
BIG_TABLES = {"email_coupons", "discount_coupons", "outbox_messages"}

# Every tenth address has codes on several websites, half of them on one; a tenth has been deleted.
_SEED = """
CREATE TEMPORARY TABLE seeded AS SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS stock_id
FROM generate_series(1, %(codes)s) n;
INSERT INTO stocks (id, capacity, claimed) SELECT stock_id, 1, 0 FROM seeded;
INSERT INTO discount_coupons (id, code, type, discount, currency, coupon_for,
    products, categories, excluded_products, excluded_categories, customer_ids,
    first_order_only, limits, combinable, priority, base,
    is_active, is_public, is_bound, for_every_product,
    stock_id, version, created_at, updated_at, expires_at)
SELECT id, 'SEEDED-' || n, 'percentage', 100000, 'USD', 'product',
    '[]', '[]', '[]', '[]', '[]',
    false, '{}', false, 0, 'remaining',
    true, false, false, true,
    stock_id, 1, now(), now(), now() + interval '30 days'
FROM seeded;
INSERT INTO outbox_messages (id, topic, payload, created_at, due_at, attempts, delivered_at)
SELECT id, 'email_coupon', '{}', now(), now(), 1, now() FROM seeded;
INSERT INTO email_coupons (id, email, website, number, coupon_id, message_id, created_at)
SELECT gen_random_uuid(), 'user' || n %% 27000 || '@example.com',
    CASE WHEN n %% 2 = 0 THEN 'big.example' ELSE 'w' || n || '.example' END,
    1 + n / 27000, CASE WHEN n %% 10 <> 9 THEN id END, id, now()
FROM seeded;
"""


@pytest.fixture(scope="module")
def large(new_database):
    """Return a client and an administrator of a large database, and a connection to it."""
    url = new_database("postgresql")
    app = create_app(settings_for(url))
    with app.app_context():
        account_id, username = people.make_user(role="administrator")
        admin = people.sign_in(app.test_client(), account_id, username)
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection:
        connection.cursor().execute(_SEED, {"codes": CODES})
    connection.autocommit = True
    connection.cursor().execute("VACUUM ANALYZE")
    yield admin, connection
    connection.close()


# How many rows of one table may be looked at; counting looks at what it counts.
REQUESTS = {
    "?page_size=50": 100,
    "?website=big.example&page_size=50": 100,
    "?email=user77@example.com": 10,
    "?email=user77@example.com&website=w77.example": 10,
}


@pytest.mark.parametrize("query", REQUESTS)
def test_a_page_is_found_through_indexes(large, query):
    admin, connection = large
    # What is prepared is the guard's.
    sent = [
        one
        for one in sent_while(lambda: admin.get(PATH + query))
        if not one[0].startswith(("PREPARE", "EXECUTE"))
    ]

    rows = most_rows(connection, [one for one in sent if "count(*)" not in one[0]])

    assert set(rows) == {"email_coupons", "discount_coupons"}
    assert max(rows.values()) <= REQUESTS[query], rows


def test_the_code_of_a_pair_is_found_through_indexes(large):
    admin, connection = large

    sent = sent_while(
        lambda: admin.client.post(
            PATH, json={"email": "user78@example.com", "website": "big.example"}
        )
    )

    assert most_rows(connection, sent) == {
        "email_coupons": 1,
        "discount_coupons": 1,
        "outbox_messages": 1,
    }


def most_rows(connection, sent):
    """Return how many rows of each big table a statement has read at most."""
    most = {}
    for statement, parameters in sent:
        for scan in scans(connection, statement, parameters):
            if (name := scan["Relation Name"]) in BIG_TABLES:
                rows = (scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan[
                    "Actual Loops"
                ]
                most[name] = max(rows, most.get(name, 0))
    return most
