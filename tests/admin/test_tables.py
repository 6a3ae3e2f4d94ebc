"""Every table under /admin is listed, searched, filtered and exported.

None of it shows a secret, and nothing can be changed but what is offered.
"""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask_admin.tools import iterencode

from coupon_management_flask.admin.tables import finding
from coupon_management_flask.admin.tables import view as tables
from coupon_management_flask.core import clock, wallet
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import Account, Redemption, new_id

from ..support.people import make_coupon, make_user
from ..support.plans import scans, sent_while
from ..test_migrations import ROWS
from .conftest import file_of, rows_of, told

pytestmark = [pytest.mark.books_are_wrong, pytest.mark.both_databases]

TABLES = sorted(db.metadata.tables)
SECRETS = {
    "accounts.password_hash",
    "api_keys.digest",
    "coupon_import_parts.body",
    "idempotency_keys.body",
    "idempotency_keys.fingerprint",
    "mail_refusals.recipient_digest",
    "order_redemptions.fingerprint",
    "outbox_messages.payload",
    "password_resets.digest",
    "sessions.refresh_id",
    "webhooks.secret",
}
EDITABLE = {
    "accounts": {"edit"},
    "credit_coupons": {"edit"},
    "discount_coupons": {"edit"},
    "promos": {"edit"},
    "unsubscribed_addresses": {"new", "delete"},
    "voucher_types": {"new", "edit"},
    "webhooks": {"delete"},
}


def key_of(row: dict[str, Any], table: str) -> str:
    parts = [str(row[column.name]) for column in db.metadata.tables[table].primary_key]
    return parts[0] if len(parts) == 1 else iterencode(parts)


def test_every_table_has_a_view(app):
    views = app.extensions["admin"][0]._views[1:]

    assert sorted(view.table.name for view in views) == TABLES


def test_what_is_secret_is_known_and_the_same_everywhere(app):
    views = app.extensions["admin"][0]._views[1:]
    hidden = {
        f"{view.table.name}.{column.name}"
        for view in views
        for column in view.table.c
        if column.name not in view.column_details_list
    }

    assert hidden == SECRETS
    for view in views:
        assert set(view.column_list) | set(view.column_export_list) <= set(view.column_details_list)
        assert {column.name for column in (*view.search.exact, *view.search.part)} <= set(
            view.column_details_list
        )
        assert {one.column.name for one in view._filters or ()} <= set(view.column_details_list)


def test_nothing_can_be_changed_but_what_is_offered(app):
    routes = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods & {"POST", "PUT", "PATCH", "DELETE"}
    }

    offered = {f"/admin/{table}/{what}/" for table, whats in EDITABLE.items() for what in whats} | {
        "/admin/sign-in",
        "/admin/sign-out",
    }
    assert {rule for rule, _ in routes if rule.startswith("/admin")} == offered


def test_a_table_that_is_read_only_refuses_to_be_changed(console, log, books):
    make_coupon()
    before, token = books(), console.fields("/admin/")["csrf_token"]
    for table in sorted(set(TABLES) - set(EDITABLE)):
        for path in (
            "",
            "new/",
            "edit/",
            "delete/",
            "action/",
            "ajax/update/",
            "details/",
            "export/csv/",
        ):
            answer = console.post(
                f"/admin/{table}/{path}", csrf_token=token, id="1", balance="1000000"
            )
            assert answer.status_code in (404, 405), (table, path)
            assert answer.mimetype == "text/html"

    assert books() == before
    assert log() == []


def test_each_table_is_listed_shown_and_exported_without_its_secrets(console, make):
    secret = {
        "password_hash": "SECRET-1",
        "digest": "SECRET-2",
        "body": b"SECRET-3",
        "payload": {"mail": "SECRET-4"},
        "secret": "SECRET-5",
        "refresh_id": new_id(),
    }
    for table in sorted(ROWS):
        here = {name: value for name, value in secret.items() if f"{table}.{name}" in SECRETS}
        key = key_of(make(table, **here), table)

        listed, shown = (
            console.get(f"/admin/{table}/"),
            console.get(f"/admin/{table}/details/", id=key),
        )
        exported = console.get(f"/admin/{table}/export/csv/")

        assert len(rows_of(listed)) == len(file_of(exported)) >= 1, table
        assert shown.status_code == 200, table
        for page in (listed, shown, exported):
            assert "SECRET" not in page.text, table
            assert str(secret["refresh_id"]) not in page.text, table


@pytest.mark.parametrize(
    "table", ["accounts", "daily_figures", "feed_entries", "guess_logs", "sessions"]
)
def test_what_is_no_row_is_404_and_what_is_no_search_finds_nothing(console, make, table):
    make(table)
    for key in ("", "x", "1,2,3", "\x00", str(new_id()), f"{new_id()},,1", "9" * 30, "a,b,c,d,e"):
        assert console.get(f"/admin/{table}/details/", id=key).status_code == 404
        assert console.get(f"/admin/{table}/", search=key or "nothing like it").status_code == 200
    assert console.get(f"/admin/{table}/details/").status_code == 404
    for query in (
        {"page": "-1"},
        {"page": "9" * 30},
        {"sort": "99"},
        {"sort": "-1"},
        {"sort": "x"},
        {"page_size": "1000000"},
        {"endpoint": "x", "_scheme": "y"},
    ):
        assert console.get(f"/admin/{table}/", **query).status_code == 200
    assert console.get(f"/admin/{table}/export/xlsx/").status_code == 404


def test_a_filter_that_makes_no_sense_is_named_and_left_out(console, alice):
    for name, value in (
        ("flt_since", "yesterday"),
        ("flt_is_active_is", "perhaps"),
        ("flt_role_is", "\x00"),
        ("flt_created_at_is", "1"),
    ):
        answer = console.get("/admin/accounts/", **{name: value})
        assert len(rows_of(answer)) == 2
        assert ("Not looked for" in told(answer)) == (name != "flt_created_at_is")
    assert len(file_of(console.get("/admin/accounts/export/csv/", flt_since="x" * 5_000))) == 2
    assert console.get("/admin/").status_code == 200


@pytest.mark.parametrize("column", ["email", "username", "id"])
def test_search_finds_a_whole_value_among_all_rows(console, monkeypatch, column):
    monkeypatch.setattr(finding, "NEWEST", 1)
    alice, _ = make_user(username="Alice", email="Alice@example.com", name="Al")
    make_user(username="later")

    term = {"email": "alice@EXAMPLE.com", "username": "alice", "id": str(alice)}[column]

    assert len(rows_of(console.get("/admin/accounts/", search=f" {term} "))) == 1
    assert file_of(console.get("/admin/accounts/export/csv/", search=term))[0]["id"] == str(alice)


def test_search_finds_a_part_of_a_text_among_the_newest(console, monkeypatch):
    make_user(username="older", name="100% wool")
    make_user(username="newer", name="100% silk_road")

    for term, found in (
        ("100%", 2),
        ("% w", 1),
        ("K_R", 1),
        ("k r", 0),
        ("_", 1),
        ("'; DROP TABLE accounts; --", 0),
    ):
        assert len(rows_of(console.get("/admin/accounts/", search=term))) == found, term

    monkeypatch.setattr(finding, "NEWEST", 1)
    assert len(rows_of(console.get("/admin/accounts/", search="100%"))) == 1


def test_filters_narrow_a_list_together_and_stay_with_its_links(console, make):
    alice, _ = make_user(username="alice")
    old = make("redemptions", account_id=alice, kind="promo")
    make("redemptions", account_id=alice, kind="credit")
    make("redemptions", kind="promo", rolled_back_at=clock.now(), claim_key=None)

    path = "/admin/redemptions/"
    for query, found in (
        ({}, 3),
        ({"flt_account_id_is": str(alice)}, 2),
        ({"flt_kind_is": "promo"}, 2),
        ({"flt_kind_is": "promo", "flt_account_id_is": str(alice)}, 1),
        ({"flt_rolled_back_at_is_set": "true"}, 1),
        ({"flt_rolled_back_at_is_set": "false", "flt_kind_is": ""}, 2),
        ({"flt_since": f"{clock.now():%Y-%m-%d}"}, 3),
        ({"flt_until": f"{clock.now() - timedelta(days=1):%Y-%m-%d}"}, 0),
    ):
        assert len(rows_of(console.get(path, **query))) == found, query
        assert len(file_of(console.get(f"{path}export/csv/", **query))) == found, query
    page = console.get(path, flt_kind_is="promo", flt_account_id_is=str(alice)).text
    assert (
        f"flt_account_id_is={alice}"
        in re.search(r'href="(/admin/redemptions/export/csv/[^"]*)"', page)[1]
    )
    assert str(old["id"])[-8:] in page


def test_a_list_is_sorted_by_what_has_an_index_and_by_nothing_else(console, app):
    view = next(
        view
        for view in app.extensions["admin"][0]._views[1:]
        if view.table.name == "discount_coupons"
    )
    assert {"id", "code", "expires_at", "created_at"} <= set(view._sortable_columns)
    assert not {"discount", "type", "is_active"} & set(view._sortable_columns)
    # An index finds an account's redemptions, but not in the order of their keys.
    assert set(_view(app, "redemptions")._sortable_columns) == {"id"}

    for name in ("b", "a", "c"):
        make_coupon(hidden_code=name)
    place = next(
        number
        for number, (name, _) in enumerate(_view(app, "credit_coupons")._list_columns)
        if name == "id"
    )
    ids = [
        str(row["id"])
        for row in db.session.execute(
            sa.text("SELECT id FROM credit_coupons ORDER BY id")
        ).mappings()
    ]
    assert len(ids) == 3
    for desc, expected in ((None, ids), ("1", ids[::-1])):
        page = console.get(
            "/admin/credit_coupons/", sort=str(place), **({"desc": desc} if desc else {})
        )
        found = [
            re.search(r"details/\?id=([0-9a-f-]+)", row)[1].replace("-", "")
            for row in rows_of(page)
        ]
        assert found == [one.replace("-", "") for one in expected]


def _view(app, table: str):
    return next(view for view in app.extensions["admin"][0]._views[1:] if view.table.name == table)


def test_pages_follow_one_another_and_the_last_is_not_the_end(console, app, monkeypatch):
    monkeypatch.setattr(_view(app, "accounts"), "page_size", 2)
    for _ in range(4):
        make_user()

    sizes, page = [], 0
    while True:
        answer = console.get("/admin/accounts/", page=page)
        sizes.append(len(rows_of(answer)))
        if "Next page" not in answer.text:
            break
        page += 1
    assert sizes == [2, 2, 1]

    monkeypatch.setattr(tables, "LAST_PAGE", 1)
    assert "There are more" in console.get("/admin/accounts/", page=1).text


def test_an_export_reads_page_after_page_and_has_every_row_once(console, make, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 2)
    owner = new_id()
    for number in range(5):
        make(
            "limit_uses",
            owner_id=owner,
            rule=["budget", "firstOrder", "perDay"][number // 2],
            customer=["", "a,b"][number % 2],
            period="",
            used=number,
        )

    answer = console.get("/admin/limit_uses/export/csv/")

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="limit_uses-\d{8}-\d{6}Z\.csv"',
        answer.headers["Content-Disposition"],
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert [row["used"] for row in file_of(answer)] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_what_somebody_wrote_is_no_formula_in_a_spreadsheet_and_no_markup_in_a_page(console, begin):
    name = f'{begin}cmd|" /C calc"!A0<script>alert(1)</script>'
    make_user(username="mallory", name=name)

    (row,) = [
        row
        for row in file_of(console.get("/admin/accounts/export/csv/"))
        if row["username"] == "mallory"
    ]
    page = console.get("/admin/accounts/", search="mallory").text

    assert row["name"] == f"'{name}"
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_money_is_shown_in_its_currency_and_times_in_utc(console, make):
    row = make("voucher_types", price=1050, currency="EUR")
    make("voucher_types", price=1050, currency="JPY")

    page = console.get("/admin/voucher_types/").text

    assert re.findall(r"<td>(10\.50|1050)</td>", page) == ["1050", "10.50"]
    assert f"{row['created_at']:%Y-%m-%d %H:%M:%S} UTC" in page
    assert {line["price"] for line in file_of(console.get("/admin/voucher_types/export/csv/"))} == {
        "10.50",
        "1050",
    }


def test_an_id_leads_to_the_row_that_it_names(console, make):
    session = make("sessions")

    page = console.get("/admin/sessions/details/", id=str(session["id"])).text
    (link,) = re.findall(r'href="(/admin/accounts/details/[^"]*)"', page)

    assert str(session["account_id"]) in console.get(link).text


def test_a_page_takes_as_many_statements_however_many_rows_it_has(console, app, statements):
    def count() -> int:
        statements.clear()
        assert console.get("/admin/redemptions/").status_code == 200
        return len(statements)

    none = count()
    account_id, _ = make_user()
    with transaction():
        wallet.credit(account_id, 5, reason="x", reference=None)
        db.session.execute(sa.insert(Redemption), [redemption(account_id) for _ in range(20)])

    # The session, and the list.
    assert count() == none == 2


def redemption(account_id) -> dict[str, Any]:
    row_id = new_id()
    return {
        "id": row_id,
        "stock_id": new_id(),
        "claim_key": str(row_id),
        "units": 1,
        "kind": "promo",
        "account_id": account_id,
        "amount": 0,
        "created_at": clock.now(),
    }


def test_no_list_search_or_filter_reads_a_whole_table(console, monkeypatch, app):
    """Look at the plans of PostgreSQL, as they really ran."""
    if not is_postgresql():
        pytest.skip("plans are PostgreSQL's")
    monkeypatch.setattr(finding, "NEWEST", 50)
    many = 3_000
    account_id, _ = make_user(username="alice")
    with transaction():
        db.session.execute(sa.insert(Redemption), [redemption(account_id) for _ in range(many)])
        rows = [
            {
                "id": new_id(),
                "kind": "user",
                "username": f"u{n}",
                "username_key": f"u{n}",
                "email": f"u{n}@example.com",
                "email_key": f"u{n}@example.com",
            }
            for n in range(many)
        ]
        db.session.execute(
            sa.insert(Account),
            [
                {**row, "password_hash": "x", "name": "Some One", "created_at": clock.now()}
                for row in rows
            ],
        )
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE accounts"))
        connection.execute(sa.text("ANALYZE redemptions"))
        for path, query in (
            ("/admin/redemptions/", {}),
            ("/admin/redemptions/", {"flt_kind_is": "voucher"}),
            ("/admin/redemptions/", {"flt_rolled_back_at_is_set": "true"}),
            ("/admin/redemptions/", {"flt_since": "2020-01-01", "flt_until": "2020-02-01"}),
            ("/admin/redemptions/", {"search": "nothing like it"}),
            ("/admin/redemptions/", {"search": str(new_id())}),
            ("/admin/accounts/", {"search": "u7@example.com"}),
            ("/admin/accounts/", {"search": "u7@example.com", "flt_role_is": "administrator"}),
            ("/admin/accounts/", {"flt_is_active_is": "false"}),
        ):
            sent = sent_while(lambda path=path, query=query: console.get(path, **query))
            read = [
                node
                for statement, parameters in sent
                if not statement.startswith("EXECUTE")
                for node in scans(connection.connection.dbapi_connection, statement, parameters)
            ]
            for node in read:
                assert (
                    node["Node Type"] != "Seq Scan"
                    or node["Actual Rows"] + node.get("Rows Removed by Filter", 0) < 200
                ), (path, query, node)
                assert node["Actual Rows"] * node["Actual Loops"] <= 1_000, (path, query, node)
