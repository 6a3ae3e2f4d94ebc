"""Lists over many promos, activations and comments.

They look at as many rows as a page needs, whatever else there is, and send few statements.
"""

import psycopg2
import pytest
import sqlalchemy as sa

from benchmarks.seed import email_of, seed
from coupon_management_flask import create_app
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.session import db

from ..conftest import settings_for
from ..support.plans import scans, sent_while
from ..support.promos import new_company, new_user, publish

pytestmark = pytest.mark.both_databases

PROMOS = 30_000
# Redemptions and comments of the promo that everybody activates.
CROWD = 30_000
BIG_TABLES = {
    "promos",
    "feed_entries",
    "stocks",
    "redemptions",
    "promo_counters",
    "promo_comments",
    "promo_likes",
}
# A page has ten items; a company's come from six countries.
MOST_ROWS = 10 * 6

_CROWD = """
INSERT INTO redemptions (id, stock_id, claim_key, units, kind, account_id, amount, created_at)
SELECT gen_random_uuid(), p.stock_id, 'user:' || u.id || ':' || n, 1, 'promo', u.id, 0,
    now() - n * interval '1 second'
FROM generate_series(1, %(crowd)s) n, promos p,
    (SELECT id, row_number() OVER () AS number FROM accounts WHERE kind = 'user') u
WHERE p.id = %(promo)s AND u.number = n %% 50 + 1;
INSERT INTO promo_comments (id, promo_id, account_id, text, created_at)
SELECT gen_random_uuid(), %(promo)s, u.id, 'What a fine promo this is',
    now() - n * interval '1 second'
FROM generate_series(1, %(crowd)s) n, accounts u WHERE u.email = %(user)s;
INSERT INTO promo_likes
SELECT p.id, u.id FROM promos p, accounts u WHERE u.email = %(user)s LIMIT %(crowd)s;
UPDATE promo_counters SET comments = %(crowd)s WHERE promo_id = %(promo)s;
INSERT INTO promo_country_counts SELECT %(promo)s, 'de', %(crowd)s;
UPDATE stocks SET claimed = %(crowd)s WHERE id = (SELECT stock_id FROM promos WHERE id = %(promo)s);
"""


@pytest.fixture(scope="module")
def large(new_database):
    """An application on a large database, and what its tests need.

    That is a connection, the tokens of a user and of the company, and the promo that everybody
    activates.
    """
    url = new_database("postgresql")
    app = create_app(settings_for(url))
    seeded = seed(app, sa.make_url(url), promos=PROMOS, users=50)
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection:
        crowd = {"crowd": CROWD, "promo": str(seeded.hot_promo), "user": email_of(0)}
        connection.cursor().execute(_CROWD, crowd)
    connection.autocommit = True
    connection.cursor().execute("VACUUM ANALYZE")
    # As the service's own connections have it. The plan that is looked at is the one that every
    # call gets.
    connection.cursor().execute("SET plan_cache_mode = force_generic_plan")
    signed_in = {"user": seeded.user_tokens[0], "company": seeded.company_token}
    yield app, connection, signed_in, seeded.hot_promo
    connection.close()


REQUESTS = [
    ("user", "/api/user/feed"),
    ("user", "/api/user/feed?category=tea&active=true"),
    ("user", "/api/user/feed?category=tea&active=false"),
    ("user", "/api/user/feed?category=nobody-has-this"),
    ("user", "/api/user/promo/{hot}"),
    ("user", "/api/user/promo/{hot}/comments"),
    ("user", "/api/user/promo/history"),
    ("company", "/api/business/promo"),
    ("company", "/api/business/promo?sort_by=active_from"),
    ("company", "/api/business/promo?sort_by=active_until&country=de,us"),
    ("company", "/api/business/promo/{hot}/stat"),
]


@pytest.mark.parametrize(("who", "path"), REQUESTS)
def test_a_page_is_found_through_indexes_and_looks_at_no_more_rows_than_it_needs(large, who, path):
    app, connection, signed_in, hot = large
    call = {"path": path.format(hot=hot), "headers": {"Authorization": f"Bearer {signed_in[who]}"}}
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()
    connection.cursor().execute("DEALLOCATE ALL")
    sent = sent_while(lambda: app.test_client().get(**call))

    looked_at = [
        scan for statement, parameters in sent for scan in scans(connection, statement, parameters)
    ]

    assert looked_at
    assert {
        scan["Relation Name"] for scan in looked_at if scan["Node Type"] == "Seq Scan"
    } & BIG_TABLES == set()
    rows = {
        scan["Relation Name"]: scan["Actual Rows"] * scan["Actual Loops"]
        for scan in looked_at
        if scan["Relation Name"] in BIG_TABLES
    }
    # The one that counts a user's own activations grows with those, and with nothing else.
    assert {
        table: count
        for table, count in rows.items()
        if count > MOST_ROWS and not (path.endswith("history") and table == "redemptions")
    } == {}


# Of each call: the guard's statement, and its own. What a transaction costs to begin and commit is
# not counted.
STATEMENTS = [
    ("company", "GET", "/api/business/promo", 3),
    ("company", "GET", "/api/business/promo/{promo}", 2),
    ("company", "GET", "/api/business/promo/{promo}/stat", 3),
    ("user", "GET", "/api/user/profile", 2),
    ("user", "GET", "/api/user/feed", 3),
    ("user", "GET", "/api/user/promo/{promo}", 2),
    ("user", "GET", "/api/user/promo/history", 4),
    ("user", "GET", "/api/user/promo/{promo}/comments", 3),
    ("user", "POST", "/api/user/promo/{promo}/like", 4),
    ("user", "DELETE", "/api/user/promo/{promo}/like", 4),
    ("user", "POST", "/api/user/promo/{promo}/activate", 3),
]


@pytest.mark.parametrize(("who", "method", "path", "count"), STATEMENTS)
def test_a_call_sends_as_many_statements_as_it_needs_however_many_items_it_shows(
    client, statements, who, method, path, count
):
    company, user = new_company(client), new_user(client)
    promo, *_ = [publish(company, max_count=100) for _ in range(5)]
    signed_in = {"company": company, "user": user}[who]
    call = getattr(signed_in, method.lower())
    user.post(f"/api/user/promo/{promo}/activate")
    if method == "DELETE":
        user.post(f"/api/user/promo/{promo}/like")
    statements.clear()

    assert call(path.format(promo=promo)).status_code == 200

    # Where one statement can't write to two tables (SQLite), what rides on a claim comes after it.
    riders = 2 if path.endswith("activate") and not is_postgresql() else 0
    assert len(statements) == count + riders, statements
