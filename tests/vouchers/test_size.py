"""Size: among tens of thousands of vouchers a call reads those it is about, in few statements."""

import psycopg2
import pytest
import sqlalchemy as sa

from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.session import db
from coupon_management_flask.models import Voucher

from ..support.people import make_user
from ..support.plans import scans, sent_while
from ..support.vouchers import PATH, bought, buy, redeem, sell

pytestmark = pytest.mark.both_databases

VOUCHERS = 20_000
BIG_TABLES = {"vouchers", "voucher_purchases", "voucher_usages", "stocks", "redemptions"}

# Somebody else's, all of them redeemed.
_SEED = """
CREATE TEMPORARY TABLE seeded AS
SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS redemption_id
FROM generate_series(1, %(vouchers)s) n;
INSERT INTO stocks (id, capacity, claimed) SELECT id, 1, 1 FROM seeded;
INSERT INTO voucher_purchases (id, account_id, voucher_type_id, quantity, unit_price, discount,
    total, currency, credits, created_at)
SELECT id, %(account)s, %(kind)s, 1, 0, 0, 0, 'USD', 0, now() FROM seeded;
INSERT INTO vouchers (id, code, code_key, account_id, voucher_type_id, purchase_id, position,
    stock_id, purchase_date, expiry_date)
SELECT id, 'SEEDED-' || n, 'seeded-' || n, %(account)s, %(kind)s, id, 0,
    id, now(), now() + interval '1 year'
FROM seeded;
INSERT INTO redemptions (id, stock_id, claim_key, units, kind, account_id, code, amount, created_at)
SELECT redemption_id, id, 'user:' || n, 1, 'voucher', %(account)s, 'SEEDED-' || n, 0, now()
FROM seeded;
INSERT INTO voucher_usages (redemption_id, voucher_id, service_type)
SELECT redemption_id, id, 'exam_results' FROM seeded;
INSERT INTO ledger_entries (id, account_id, amount, balance_after, reason, reference, created_at)
SELECT redemption_id, %(account)s, 0, 0, 'voucher', id, now() FROM seeded;
ANALYZE;
"""


@pytest.fixture
def mine(carol, admin):
    """Thirty vouchers of Carol's, half of them redeemed."""
    kind = sell(admin, price=1)
    found = [voucher for _ in range(3) for voucher in bought(carol, kind, quantity=10)]
    for voucher in found[::2]:
        redeem(carol, voucher)
    return found


READS = [
    "my-vouchers/",
    "my-vouchers/?status=used",
    "my-vouchers/?page=2",
    "stats/",
    "usage-history/",
    "detail/{code}/",
    "types/",
]


def test_a_call_reads_what_it_is_about(carol, mine, database_url):
    if not is_postgresql():
        pytest.skip("plans are PostgreSQL's")
    other, _ = make_user()
    kind = db.session.scalar(sa.select(Voucher.voucher_type_id).limit(1))
    db.session.remove()
    with psycopg2.connect(database_url.replace("+psycopg2", "")) as connection:
        connection.cursor().execute(
            _SEED, {"vouchers": VOUCHERS, "account": str(other), "kind": str(kind)}
        )
        connection.commit()
        for path in READS:
            url = f"{PATH}/{path.format(code=mine[0]['code'])}"
            # What is prepared reads by keys alone.
            sent = [
                one
                for one in sent_while(lambda url=url: carol.get(url))
                if not one[0].startswith(("PREPARE", "EXECUTE"))
            ]
            assert sent, path
            for node in (
                node
                for one in sent
                for node in scans(connection, *one)
                if node["Relation Name"] in BIG_TABLES
            ):
                rows = node["Actual Rows"] * node["Actual Loops"] + node.get(
                    "Rows Removed by Filter", 0
                )
                assert rows <= len(mine), (path, node["Node Type"], node["Relation Name"], rows)


# The guard's is among them; of a list one counts and one reads, whatever is in it.
READING = {
    "my-vouchers/": 3,
    "my-vouchers/?status=used": 3,
    "stats/": 2,
    "usage-history/": 3,
    "types/": 2,
}


def test_a_call_sends_as_many_statements_as_ever(carol, admin, mine, statements):
    def count(call):
        statements.clear()
        assert call().status_code < 300
        return len(statements)

    for path, number in READING.items():
        for size in (1, 100):
            assert (
                count(
                    lambda url=f"{PATH}/{path}{'&' if '?' in path else '?'}page_size={size}": (
                        carol.get(url)
                    )
                )
                == number
            ), path
    assert count(lambda: carol.get(f"{PATH}/detail/{mine[0]['code']}/")) == 2
    kind = sell(admin, price=1)
    # Ten more for the stocks of ten vouchers.
    assert count(lambda: buy(carol, kind, quantity=10)) == count(lambda: buy(carol, kind)) + 9
    unused, another = mine[1], mine[3]
    first = count(lambda: redeem(carol, unused))
    assert count(lambda: redeem(carol, another)) == first <= 8
