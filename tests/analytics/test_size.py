"""A dashboard reads daily figures and what is not summed up yet, however large the tables are.

A page of an export reads its own rows.
"""

import psycopg2
import pytest

from benchmarks.analytics import seed_redemptions
from coupon_management_flask import create_app
from coupon_management_flask.analytics import coupons
from coupon_management_flask.analytics.figures import rollup
from coupon_management_flask.audit import analytics as audit

from ..conftest import settings_for
from ..support import people
from ..support.plans import scans, sent_while
from .conftest import DASHBOARD, EXPORT

pytestmark = pytest.mark.both_databases

REDEMPTIONS = 30_000
OWN = 50
BIG_TABLES = {
    "redemptions",
    "stocks",
    "vouchers",
    "voucher_purchases",
    "discount_coupons",
    "credit_coupons",
}


@pytest.fixture(scope="module")
def large(new_database):
    """An administrator and a user of a large database, and a connection to read plans with."""
    url = new_database("postgresql")
    app = create_app(settings_for(url))
    with app.app_context():
        callers = {
            role: people.sign_in(app.test_client(), *people.make_user(role=role))
            for role in ("administrator", "user")
        }
        with psycopg2.connect(url.replace("+psycopg2", "")) as connection:
            seed_redemptions(connection, REDEMPTIONS)
            connection.cursor().execute(
                "UPDATE redemptions SET account_id = %s"
                " WHERE id IN (SELECT id FROM redemptions LIMIT %s)",
                [str(callers["user"].id), OWN],
            )
        connection.autocommit = True
        while rollup.roll_up():
            pass
        connection.cursor().execute("VACUUM ANALYZE")
        assert [told for rule in audit.RULES for told in rule.sentences()] == []
    yield callers, connection
    connection.close()


@pytest.mark.parametrize(
    ("who", "path", "most"),
    [
        ("administrator", f"{DASHBOARD}?days=366", 100),
        ("user", f"{DASHBOARD}?days=366", 2 * OWN),
        ("user", f"{EXPORT}?days=366", 2 * OWN),
    ],
    ids=["the whole service", "a user", "a user's export"],
)
def test_no_more_rows_are_looked_at_than_it_needs(large, who, path, most, monkeypatch):
    callers, connection = large
    monkeypatch.setattr(coupons, "COUNTED_AT_ONCE", most)
    sent = [
        one
        for one in sent_while(lambda: callers[who].get(path))
        if not one[0].startswith(("PREPARE", "EXECUTE"))
    ]

    looked_at = [
        scan for statement, parameters in sent for scan in scans(connection, statement, parameters)
    ]

    assert looked_at
    rows = [
        (scan["Relation Name"], scan["Node Type"], scan["Actual Rows"] * scan["Actual Loops"])
        for scan in looked_at
    ]
    assert [one for one in rows if one[0] in BIG_TABLES and one[2] > most] == []
