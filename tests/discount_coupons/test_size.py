"""Size: with tens of thousands of coupons a page looks at as many rows as it needs.

A call sends as few statements as it needs.
"""

import json

import psycopg2
import pytest

from coupon_management_flask import create_app
from coupon_management_flask.db.dialects import is_postgresql

from ..conftest import settings_for
from ..support import people
from ..support.discounts import PATH, items, new_shop
from ..support.plans import scans, sent_while

pytestmark = pytest.mark.both_databases

COUPONS = 30_000
REDEMPTIONS = 20_000
BIG_TABLES = {
    "discount_coupons",
    "discount_coupon_targets",
    "stocks",
    "order_redemptions",
    "order_redemption_codes",
    "redemptions",
    "limit_uses",
}

# Every hundredth coupon is public, every second lists a product. The others are codes that were
# made for somebody.
_SEED = """
CREATE TEMPORARY TABLE seeded AS
SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS stock_id
FROM generate_series(1, %(coupons)s) n;
INSERT INTO stocks (id, capacity, claimed) SELECT stock_id, 1, 0 FROM seeded;
INSERT INTO discount_coupons (id, code, type, discount, currency, coupon_for,
    products, categories, excluded_products, excluded_categories,
    customer_ids, first_order_only, limits, combinable, priority, base,
    is_active, is_public, is_bound, for_every_product, stock_id, version, created_at, updated_at)
SELECT id, 'SEEDED-' || n, 'percentage', 100000, 'EUR', 'product',
    CASE WHEN n %% 2 = 0 THEN json_build_array('p' || n %% 5000) ELSE '[]' END, '[]', '[]', '[]',
    '[]', false, '{}', true, n %% 100, 'remaining',
    n %% 10 <> 0, n %% 100 = 1, false, n %% 2 = 1, stock_id, 1,
    now() - n * interval '1 second', now()
FROM seeded;
INSERT INTO discount_coupon_targets (kind, target, coupon_id)
SELECT 'product', 'p' || n %% 5000, id FROM seeded WHERE n %% 2 = 0;
CREATE TEMPORARY TABLE orders AS
SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS redemption_id
FROM generate_series(1, %(redemptions)s) n;
INSERT INTO redemptions
    (id, stock_id, claim_key, units, kind, account_id, code, amount, currency, created_at)
SELECT redemption_id, (SELECT stock_id FROM seeded WHERE seeded.n = 1), 'order:' || id, 1,
    'discount', %(account)s, 'SEEDED-' || n %% 1000, 0, 'EUR', now()
FROM orders;
INSERT INTO order_redemptions (id, account_id, order_id, order_key, fingerprint, customer_id,
    currency, original, discount, answer, snapshot, rollbacks, version, created_at)
SELECT id, %(account)s, 'order-' || n, 'order-' || n, '', 'customer-' || n %% 1000,
    'EUR', 0, 0, '{}', '{}', '[]', 1, now()
FROM orders;
INSERT INTO order_redemption_codes
    (order_redemption_id, position, code, coupon_id, redemption_id, amount, lines)
SELECT id, 0, 'SEEDED-' || n %% 1000, redemption_id, redemption_id, 0, '[]' FROM orders;
"""


@pytest.fixture(scope="module")
def large(new_database):
    """Callers of an application on a large database, and a connection to read plans with.

    It can be called as the shop and as a shopper.
    """
    url = new_database("postgresql")
    app = create_app(settings_for(url))
    with app.app_context():
        account_id, username = people.make_user()
        callers = {
            "shop": new_shop(app.test_client()),
            "shopper": people.sign_in(app.test_client(), account_id, username),
        }
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection:
        connection.cursor().execute(
            _SEED, {"coupons": COUPONS, "redemptions": REDEMPTIONS, "account": str(account_id)}
        )
    connection.autocommit = True
    connection.cursor().execute("VACUUM ANALYZE")
    yield callers, connection
    connection.close()


# Who asks for what, and how many rows of one table may be looked at. Counting a list's results
# looks at the index that they stand in.
REQUESTS = [
    ("shop", "", 100),
    ("shop", "?sortBy=code&limit=50", 100),
    ("shop", "?sortBy=priority:desc", 100),
    ("shop", "?sortBy=updatedAt:desc", 100),
    ("shop", "?code=seeded-77", 10),
    ("shop", "/code/SEEDED-77", 10),
    ("shop", "/product/p42", 500),
    ("shopper", "", 500),
    ("shopper", "/product/p42", 1000),
    ("shop", "/../redemptions", 100),
    ("shop", "/../redemptions?code=SEEDED-5", 100),
    ("shop", "/../redemptions?orderId=order-7", 10),
    ("shop", "/../redemptions?customerId=customer-7", 100),
]


@pytest.mark.parametrize(("who", "path", "most"), REQUESTS)
def test_a_page_is_found_through_indexes_and_looks_at_no_more_rows_than_it_needs(
    large, who, path, most
):
    callers, connection = large
    path = path.replace("/../", "/api/v1/") if path.startswith("/../") else PATH + path
    looked_at = []
    # What is prepared reads by keys alone.
    sent = [
        one
        for one in sent_while(lambda: callers[who].get(path))
        if not one[0].startswith(("PREPARE", "EXECUTE"))
    ]

    assert sent
    for statement, parameters in sent:
        counts = "count(*)" in statement
        for scan in scans(connection, statement, parameters):
            rows = scan["Actual Rows"] * scan["Actual Loops"]
            if scan["Relation Name"] in BIG_TABLES and rows > most and not counts:
                looked_at.append((scan["Relation Name"], scan["Node Type"], rows))
    assert looked_at == []


# Of each call: the guard's statement, and its own.
STATEMENTS = [
    ("GET", "", None, 3),
    ("GET", "/code/{code}", None, 2),
    ("GET", "/product/p1", None, 2),
    ("POST", "/validate", {"code": "{code}"}, 2),
    ("POST", "/apply", {"code": "{code}"}, 2),
    ("POST", "/apply", {"code": "{limited}", "customerId": "c1"}, 4),
    ("POST", "/apply-all", {"codes": ["{code}", "{limited}", "{other}"], "customerId": "c1"}, 4),
    ("POST", "/best", {}, 3),
    # Whether it is redeemed already; the coupon; whether a webhook wants to know; the rest in one.
    ("POST", "/redeem", {"code": "{code}", "orderId": "o1"}, 5),
    # Whether it is redeemed already; the coupon, and what its limits have used; the claim with its
    # redemption; three limits that are taken, and the note of it; the order; its codes; whether a
    # webhook wants to know.
    ("POST", "/redeem", {"code": "{limited}", "orderId": "o1", "customerId": "c1"}, 13),
    ("POST", "/increment-usage", {"code": "{code}"}, 4),
]


@pytest.mark.parametrize(("method", "path", "body", "count"), STATEMENTS)
def test_a_call_sends_as_many_statements_as_it_needs_however_large_the_cart(
    shop, statements, method, path, body, count
):
    names = {
        "code": shop.new(combinable=True)["code"],
        "limited": shop.new(
            combinable=True, firstOrderOnly=True, limits={"budget": 100, "perCustomer": 1}
        )["code"],
        "other": shop.new(combinable=True)["code"],
    }
    if body is not None:
        for name, code in names.items():
            body = json.loads(json.dumps(body).replace(f"{{{name}}}", code))
        cart = (
            {}
            if path == "/increment-usage"
            else items(*[(f"p{number}", 1, 100) for number in range(20)])
        )
        body |= cart
    statements.clear()

    answer = shop.request(method, PATH + path.format(**names), json=body)

    assert answer.status_code in (200, 201), answer.text
    # Where one statement can't write to two tables (SQLite), the redemption comes after the claim.
    several = (
        0
        if is_postgresql() or path not in ("/redeem", "/increment-usage")
        else 3
        if count == 5
        else 1
    )
    assert len(statements) == count + several, statements
