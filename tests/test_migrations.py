"""Migrations run up, down and up again on both databases.

They differ in nothing from the models, and each constraint is really there.
"""

import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import check, downgrade, upgrade

from coupon_management_flask import create_app
from coupon_management_flask.core import clock
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.failures import broken_constraint
from coupon_management_flask.db.session import db
from coupon_management_flask.models import new_id

from .conftest import DATABASES, dispose_engines, settings_for
from .support.postgres import create_database, drop_database
from .support.server import FLASK, ROOT, environment

# SQLite sorts a company's promos in memory: it can't say where nulls go in an index. Alembic warns
# that it can't look whether the index is there.
ONLY_ON_POSTGRESQL = {"ix_promos_company_from"}
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:autogenerate skipping .* index '{name}'")
    for name in ONLY_ON_POSTGRESQL
]

REVISIONS = [
    script.revision
    for script in reversed(list(ScriptDirectory(str(ROOT / "migrations")).walk_revisions()))
]


@pytest.fixture(params=DATABASES)
def empty_database(request, postgres, tmp_path) -> Iterator[str]:
    """Make a database in which there is nothing at all, and return its URL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/coupons.db"
        return
    yield create_database(postgres, "coupons_empty").render_as_string(hide_password=False)
    drop_database(postgres, "coupons_empty")


@pytest.fixture
def migrating(empty_database: str) -> Iterator[None]:
    """Push the context of an application on that database."""
    app = create_app(settings_for(empty_database))
    with app.app_context():
        yield
        dispose_engines()


def tables() -> set[str]:
    return set(sa.inspect(db.engine).get_table_names())


def differences() -> list[Any]:
    """Return where models and database differ, in names too: Alembic passes over CHECKs."""
    with db.engine.connect() as connection:
        found = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), db.metadata
        )
    return [*found, *sorted(names_there() ^ names_modelled())]


def names_there() -> set[str]:
    """Return every constraint and index of the database."""
    inspector = sa.inspect(db.engine)
    return {
        str(found["name"])
        for table in tables() - {"alembic_version"}
        for found in (
            inspector.get_pk_constraint(table),
            *inspector.get_unique_constraints(table),
            *inspector.get_check_constraints(table),
            *inspector.get_foreign_keys(table),
            *(
                index
                for index in inspector.get_indexes(table)
                if not index.get("duplicates_constraint")
            ),
        )
    }


def names_modelled() -> set[str]:
    """Return every constraint and index of the models that this database is to have."""
    there = {
        str(named.name)
        for table in db.metadata.sorted_tables
        for named in (*table.constraints, *table.indexes)
    }
    return there if is_postgresql() else there - ONLY_ON_POSTGRESQL


@pytest.mark.usefixtures("migrating")
def test_up_from_nothing_down_to_nothing_and_up_again():
    assert tables() == set()

    for _ in range(2):
        upgrade()
        assert tables() == {"alembic_version", *db.metadata.tables}
        assert differences() == []

        downgrade(revision="base")
        assert tables() == {"alembic_version"}


@pytest.mark.usefixtures("migrating")
def test_each_revision_can_be_undone_and_done_again():
    for revision in REVISIONS:
        upgrade(revision=revision)
        downgrade(revision="-1")
        upgrade(revision=revision)
    assert differences() == []


@pytest.mark.usefixtures("migrating")
def test_a_database_in_use_keeps_its_rows_through_every_revision_and_its_undoing():
    account_id, now = new_id(), clock.now()
    alice = {
        "id": account_id,
        "kind": "user",
        "username": "Alice",
        "username_key": "alice",
        "password_hash": "x",
        "name": "Alice",
        "surname": "",
    }
    rows = {
        "accounts": {**alice, "role": "user", "is_active": True, "created_at": now},
        "sessions": {
            "id": new_id(),
            "account_id": account_id,
            "issued_by": "credit",
            "created_at": now,
            "expires_at": now,
        },
        "wallets": {"account_id": account_id, "balance": 7},
    }

    def kept() -> dict[str, Any]:
        with db.engine.connect() as connection:
            return {
                name: connection.execute(
                    sa.select(*(db.metadata.tables[name].c[column] for column in row))
                )
                .one()
                ._asdict()
                for name, row in rows.items()
            }

    upgrade(revision=REVISIONS[0])
    with db.engine.begin() as connection:
        for name, row in rows.items():
            connection.execute(sa.insert(db.metadata.tables[name]).values(**row))

    for step, revisions in (
        (upgrade, REVISIONS[1:]),
        (downgrade, REVISIONS[-2::-1]),
        (upgrade, REVISIONS[1:]),
    ):
        for revision in revisions:
            step(revision=revision)
            assert kept() == rows, revision
    assert differences() == []


@pytest.mark.usefixtures("migrating")
def test_the_codes_of_a_batch_that_was_given_up_before_codes_were_hidden_stay():
    # 0015 hides what is not done. These were shown one by one, and may be in use.
    upgrade(revision="0014")
    now = clock.now()
    messages = [
        {**ROWS["outbox_messages"](_nobody), "given_up_at": moment} for moment in (now, None)
    ]
    batches = [
        {
            **ROWS["coupon_batches"](_nobody),
            "account_id": None,
            "message_id": message["id"],
            "done": 3,
        }
        for message in messages
    ]
    with db.engine.begin() as connection:
        for message in messages:
            connection.execute(sa.insert(db.metadata.tables["outbox_messages"]).values(**message))
        for batch in batches:
            connection.execute(sa.insert(db.metadata.tables["coupon_batches"]).values(**batch))

    upgrade()

    table = db.metadata.tables["coupon_batches"]
    with db.engine.connect() as connection:
        sizes = dict(connection.execute(sa.select(table.c.id, table.c.size)).all())
    assert [sizes[batch["id"]] for batch in batches] == [3, 5]


def _nobody(_table: str) -> dict[str, Any]:
    return {"id": None}


def test_history_is_one_line():
    assert len(ScriptDirectory(str(ROOT / "migrations")).get_heads()) == 1


@pytest.mark.usefixtures("migrating")
def test_nothing_is_left_to_migrate():
    upgrade()

    # It exits where there is anything.
    check()


@pytest.mark.server
def test_servers_that_start_at_the_same_moment_migrate_once(empty_database, migrating):
    servers = [
        subprocess.Popen(
            [*FLASK, "db", "upgrade"],
            env=environment(empty_database),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]

    told = [server.communicate(timeout=120)[0] for server in servers]

    assert [server.returncode for server in servers] == [0, 0], told
    assert differences() == []


# 1 is the id of the service's own row of feed_day.
_numbers = count(2)


def _text() -> str:
    return f"text {next(_numbers)}"


# A row of each table that the database accepts. `make` writes a row that it refers to and returns
# it.
Make = Callable[[str], dict[str, Any]]
ROWS: dict[str, Callable[[Make], dict[str, Any]]] = {
    "accounts": lambda make: {
        "id": new_id(),
        "kind": "user",
        "username": "x",
        "username_key": _text(),
        "email": "x",
        "email_key": _text(),
        "password_hash": "x",
        "name": "x",
        "surname": "",
        "role": "user",
        "is_active": True,
        "created_at": clock.now(),
    },
    "sessions": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "issued_by": "x",
        "refresh_id": new_id(),
        "created_at": clock.now(),
        "expires_at": clock.now(),
    },
    "password_resets": lambda make: {
        "account_id": make("accounts")["id"],
        "digest": _text(),
        "expires_at": clock.now(),
    },
    "api_keys": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "digest": _text(),
        "permissions": [],
        "created_at": clock.now(),
        "expires_at": clock.now(),
    },
    "guess_logs": lambda make: {"subject": _text(), "moments": [], "updated_at": clock.now()},
    "stocks": lambda make: {"id": new_id(), "capacity": 5, "claimed": 5},
    "redemptions": lambda make: {
        "id": new_id(),
        "stock_id": make("stocks")["id"],
        "claim_key": _text(),
        "units": 1,
        "kind": "credit",
        "account_id": make("accounts")["id"],
        "amount": 0,
        "created_at": clock.now(),
    },
    "wallets": lambda make: {"account_id": make("accounts")["id"], "balance": 0},
    "ledger_entries": lambda make: {
        "id": new_id(),
        "account_id": make("wallets")["account_id"],
        "amount": 0,
        "balance_after": 0,
        "reason": "x",
        "created_at": clock.now(),
    },
    "credit_coupons": lambda make: {
        "id": new_id(),
        "name": "x",
        "value": 0,
        "hidden_code": "x",
        "hidden_code_key": _text(),
        "stock_id": make("stocks")["id"],
        "expiration_date": clock.now(),
        "is_active": True,
        "created_at": clock.now(),
    },
    "idempotency_keys": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "key": _text(),
        "fingerprint": "x",
        "lease_id": new_id(),
        "leased_until": clock.now(),
        "created_at": clock.now(),
    },
    "outbox_messages": lambda make: {
        "id": new_id(),
        "topic": "x",
        "payload": {},
        "created_at": clock.now(),
        "due_at": clock.now(),
        "attempts": 0,
    },
    "outages": lambda make: {"name": _text(), "since": clock.now(), "error": "x"},
    "leases": lambda make: {"name": _text(), "leased_until": clock.now()},
    "promos": lambda make: {
        "id": new_id(),
        "company_id": make("accounts")["id"],
        "description": "x",
        "mode": "COMMON",
        "promo_common": "x",
        "max_count": 5,
        "stock_id": make("stocks")["id"],
        "country_key": "",
        "version": 1,
        "is_active": True,
        "created_at": clock.now(),
    },
    "promo_values": lambda make: {
        "promo_id": make("promos")["id"],
        "position": 0,
        "value": "x",
        "redemption_id": new_id(),
    },
    "promo_counters": lambda make: {"promo_id": make("promos")["id"], "likes": 0, "comments": 0},
    "promo_likes": lambda make: {
        "promo_id": make("promos")["id"],
        "account_id": make("accounts")["id"],
    },
    "promo_comments": lambda make: {
        "id": new_id(),
        "promo_id": make("promos")["id"],
        "account_id": make("accounts")["id"],
        "text": "x",
        "created_at": clock.now(),
    },
    "promo_country_counts": lambda make: {
        "promo_id": make("promos")["id"],
        "country": "de",
        "activations": 1,
    },
    "company_promo_counts": lambda make: {
        "company_id": make("accounts")["id"],
        "country_key": "",
        "promos": 0,
    },
    "feed_entries": lambda make: {
        "promo_id": make("promos")["id"],
        "category_key": "",
        "age_node": 0,
        "country_key": "",
        "is_active": True,
    },
    "feed_counts": lambda make: {
        "category_key": _text(),
        "country_key": "",
        "age_node": 0,
        "is_active": True,
        "promos": 0,
    },
    "feed_day": lambda make: {"id": next(_numbers), "day": clock.now().date(), "timezone": "UTC"},
    "antifraud_verdicts": lambda make: {
        "account_id": make("accounts")["id"],
        "ok": True,
        "valid_until": clock.now(),
    },
    "discount_coupons": lambda make: {
        "id": new_id(),
        "code": _text(),
        "type": "percentage",
        "discount": Decimal(100),
        "currency": "EUR",
        "coupon_for": "minPurchase",
        "products": [],
        "categories": [],
        "excluded_products": [],
        "excluded_categories": [],
        "min_purchase_amount": Decimal(0),
        "max_discount_amount": Decimal(0),
        "starts_at": clock.now(),
        "expires_at": clock.now() + timedelta(seconds=1),
        "customer_ids": [],
        "first_order_only": False,
        "limits": {},
        "combinable": False,
        "priority": 0,
        "base": "remaining",
        "is_active": True,
        "is_public": True,
        "is_bound": False,
        "for_every_product": True,
        "stock_id": make("stocks")["id"],
        "version": 1,
        "created_at": clock.now(),
        "updated_at": clock.now(),
    },
    "discount_coupon_targets": lambda make: {
        "kind": "product",
        "target": _text(),
        "coupon_id": make("discount_coupons")["id"],
    },
    "order_redemptions": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "order_id": "x",
        "order_key": _text(),
        "fingerprint": "x",
        "currency": "EUR",
        "original": 5,
        "discount": 5,
        "answer": {},
        "snapshot": {},
        "rollbacks": [],
        "version": 1,
        "created_at": clock.now(),
    },
    "order_redemption_codes": lambda make: {
        "order_redemption_id": make("order_redemptions")["id"],
        "position": 0,
        "code": "x",
        "coupon_id": new_id(),
        "redemption_id": make("redemptions")["id"],
        "amount": 0,
        "lines": [],
    },
    "limit_uses": lambda make: {
        "owner_id": new_id(),
        "rule": "budget",
        "customer": "",
        "period": "",
        "used": 0,
    },
    "redemption_takes": lambda make: {
        "redemption_id": make("redemptions")["id"],
        "rule": "budget",
        "owner_id": new_id(),
        "customer": "",
        "period": "",
        "units": 0,
    },
    "coupon_batches": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "pattern": "x",
        "template": {},
        "size": 5,
        "done": 5,
        "created_at": clock.now(),
    },
    "coupon_import_parts": lambda make: {"batch_id": new_id(), "start": 0, "body": b"[]"},
    "webhooks": lambda make: {"id": new_id(), "url": "x", "secret": "x", "created_at": clock.now()},
    "webhook_subscriptions": lambda make: {"event": _text(), "webhook_id": make("webhooks")["id"]},
    "webhook_deliveries": lambda make: {
        "id": new_id(),
        "webhook_id": make("webhooks")["id"],
        "message_id": make("outbox_messages")["id"],
        "event": "x",
        "started_at": clock.now(),
    },
    "payment_transactions": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "voucher_type_id": make("voucher_types")["id"],
        "quantity": 1,
        "unit_price": 5,
        "amount": 5,
        "discount_amount": 0,
        "amount_refunded": 5,
        "currency": "EUR",
        "order_redemption_id": make("order_redemptions")["id"],
        "status": "pending",
        "stripe_payment_intent_id": _text(),
        "refund_attempts": 0,
        "due_at": clock.now(),
        "created_at": clock.now(),
        "updated_at": clock.now(),
    },
    "payment_events": lambda make: {"id": _text(), "type": "x", "received_at": clock.now()},
    "payment_returns": lambda make: {
        "id": _text(),
        "transaction_id": make("payment_transactions")["id"],
        "kind": "refund",
        "status": "done",
        "amount": 5,
        "currency": "EUR",
        "created_at": clock.now(),
        "updated_at": clock.now(),
    },
    "sale_changes": lambda make: {
        "id": new_id(),
        "purchase_id": make("voucher_purchases")["id"],
        "vouchers": -1,
        "used_up": 0,
        "amount": -1,
        "currency": "EUR",
        "created_at": clock.now(),
    },
    "payment_debts": lambda make: {
        "transaction_id": make("payment_transactions")["id"],
        "account_id": make("accounts")["id"],
        "amount": 1,
        "currency": "EUR",
        "created_at": clock.now(),
    },
    "voucher_types": lambda make: {
        "id": new_id(),
        "name": "x",
        "description": "",
        "price": 0,
        "currency": "EUR",
        "service_type": "x",
        "is_active": True,
        "validity_days": 1,
        "max_uses": 1,
        "created_at": clock.now(),
    },
    "voucher_purchases": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "voucher_type_id": make("voucher_types")["id"],
        "quantity": 2,
        "unit_price": 5,
        "discount": 10,
        "total": 0,
        "currency": "EUR",
        "credits": 0,
        "order_redemption_id": make("order_redemptions")["id"],
        "created_at": clock.now(),
    },
    "vouchers": lambda make: {
        "id": new_id(),
        "code": "x",
        "code_key": _text(),
        "account_id": make("accounts")["id"],
        "voucher_type_id": make("voucher_types")["id"],
        "purchase_id": make("voucher_purchases")["id"],
        "position": 0,
        "stock_id": make("stocks")["id"],
        "purchase_date": clock.now(),
        "expiry_date": clock.now() + timedelta(seconds=1),
    },
    "voucher_usages": lambda make: {
        "redemption_id": make("redemptions")["id"],
        "voucher_id": make("vouchers")["id"],
        "service_type": "x",
    },
    "daily_figures": lambda make: {
        "measure": _text(),
        "day": clock.now().date(),
        "kind": "",
        "label": "",
        "currency": "",
        "number": -1,
        "amount": -1,
    },
    "roll_up_marks": lambda make: {"stream": _text(), "moment": clock.now(), "last_id": new_id()},
    "admin_changes": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "action": "change",
        "table_name": "accounts",
        "row_id": "x",
        "created_at": clock.now(),
    },
    "email_coupons": lambda make: {
        "id": new_id(),
        "email": _text(),
        "website": "x",
        "number": 1,
        "coupon_id": make("discount_coupons")["id"],
        "message_id": new_id(),
        "created_at": clock.now(),
    },
    "unsubscribed_addresses": lambda make: {"email": _text(), "created_at": clock.now()},
    "antifraud_questions": lambda make: {
        "id": new_id(),
        "account_id": make("accounts")["id"],
        "leased_until": clock.now(),
    },
}

# What makes such a row break each CHECK.
BREAKS: dict[str, list[dict[str, Any]]] = {
    "ck_admin_changes_action": [{"action": "look"}],
    "ck_antifraud_questions_answer": [{"answer": "maybe"}, {"answer": ""}],
    "ck_company_promo_counts_promos_not_negative": [{"promos": -1}],
    "ck_feed_counts_promos_not_negative": [{"promos": -1}],
    "ck_promo_counters_comments_not_negative": [{"comments": -1}],
    "ck_promo_counters_likes_not_negative": [{"likes": -1}],
    "ck_promos_common_value": [{"promo_common": None}, {"mode": "UNIQUE"}],
    "ck_promos_mode": [{"mode": "BOTH", "promo_common": None}],
    "ck_accounts_kind": [{"kind": "robot"}],
    "ck_accounts_role": [{"role": "owner"}],
    "ck_accounts_username": [{"username_key": None}, {"kind": "service", "username_key": None}],
    "ck_accounts_company_email": [{"kind": "company", "email_key": None}],
    "ck_accounts_password": [{"password_hash": None}, {"kind": "company", "password_hash": None}],
    "ck_coupon_batches_size_positive": [{"size": 0, "done": 0}],
    "ck_coupon_batches_done_within_size": [{"done": -1}, {"done": 6}],
    "ck_credit_coupons_value_not_negative": [{"value": -1}],
    "ck_discount_coupon_targets_kind": [{"kind": "category"}],
    "ck_discount_coupons_base": [{"base": "original"}],
    "ck_discount_coupons_coupon_for": [{"coupon_for": "category"}],
    "ck_discount_coupons_discount": [
        {"discount": Decimal(-1)},
        {"discount": Decimal("100.0001")},
        {"type": "fixed", "discount": Decimal(-1)},
    ],
    "ck_discount_coupons_max_discount_amount": [{"max_discount_amount": Decimal("-0.01")}],
    "ck_discount_coupons_min_purchase_amount": [{"min_purchase_amount": Decimal("-0.01")}],
    "ck_discount_coupons_min_purchase_asked": [{"min_purchase_amount": None}],
    "ck_discount_coupons_type": [{"type": "free"}],
    "ck_discount_coupons_window": [{"starts_at": clock.now() + timedelta(days=1)}],
    "ck_email_coupons_number": [{"number": 0}],
    "ck_ledger_entries_balance_after_not_negative": [{"balance_after": -1}],
    "ck_limit_uses_used_not_negative": [{"used": -1}],
    "ck_order_redemption_codes_amount_not_negative": [{"amount": -1}],
    "ck_order_redemptions_discount": [{"discount": -1}, {"discount": 6}],
    "ck_order_redemptions_live_or_rolled_back": [
        {"order_key": None},
        {"rolled_back_at": clock.now()},
    ],
    "ck_payment_debts_amount_positive": [{"amount": 0}],
    "ck_payment_returns_amount_not_negative": [{"amount": -1}],
    "ck_payment_returns_kind": [{"kind": "gift"}],
    "ck_payment_returns_status": [{"status": "failed"}],
    "ck_payment_transactions_amount_not_negative": [{"amount": -1, "amount_refunded": 0}],
    "ck_payment_transactions_amount_refunded": [{"amount_refunded": -1}, {"amount_refunded": 6}],
    "ck_payment_transactions_completed": [
        {"status": "refunding"},
        {"status": "completed", "due_at": None},
        {"status": "refund_failed", "due_at": None},
    ],
    "ck_payment_transactions_credits_positive": [
        {"credits": 0, "voucher_type_id": None, "quantity": None, "unit_price": None}
    ],
    "ck_payment_transactions_decided_is_not_due": [
        {"status": "cancelled"},
        {"status": "refunded"},
        {"status": "completed", "completed_at": clock.now()},
        {"status": "refund_failed", "completed_at": clock.now()},
    ],
    "ck_payment_transactions_discount_amount": [
        {"discount_amount": -1},
        {"discount_amount": 1, "order_redemption_id": None},
    ],
    "ck_payment_transactions_quantity_positive": [{"quantity": 0}],
    "ck_payment_transactions_status": [{"status": "paid"}],
    "ck_payment_transactions_undecided_is_due": [
        {"due_at": None},
        {"status": "refunding", "completed_at": clock.now(), "due_at": None},
        {"status": "refund_pending", "completed_at": clock.now(), "due_at": None},
    ],
    "ck_payment_transactions_vouchers_or_credits": [
        {"credits": 1},
        {"voucher_type_id": None},
        {"quantity": None},
        {"unit_price": None},
    ],
    "ck_redemption_takes_units_not_negative": [{"units": -1}],
    "ck_redemptions_live_or_rolled_back": [{"claim_key": None}, {"rolled_back_at": clock.now()}],
    "ck_redemptions_units_positive": [{"units": 0}, {"units": -1}],
    "ck_stocks_claimed_not_negative": [{"claimed": -1}],
    "ck_stocks_claimed_within_capacity": [{"claimed": 6}, {"capacity": 4}],
    "ck_voucher_purchases_credits_not_negative": [{"credits": -1}],
    "ck_voucher_purchases_discount": [{"discount": -1, "total": 11}, {"order_redemption_id": None}],
    "ck_voucher_purchases_quantity_positive": [
        {"quantity": 0, "discount": 0},
        {"quantity": -1, "unit_price": -10},
    ],
    "ck_voucher_purchases_total": [
        {"total": 1},
        {"discount": 11, "total": -1},
        {"rounding": 1},
    ],
    "ck_voucher_types_max_uses_positive": [{"max_uses": 0}],
    "ck_voucher_types_price_not_negative": [{"price": -1}],
    "ck_voucher_types_validity_days_positive": [{"validity_days": 0}],
    "ck_vouchers_position_not_negative": [{"position": -1}],
    "ck_vouchers_window": [{"expiry_date": clock.now() - timedelta(days=1)}],
    "ck_webhook_deliveries_outcome_at_the_end": [{"response_status": 200}, {"error": "timed_out"}],
    "ck_wallets_balance_not_negative": [{"balance": -1}],
}
# What such a row breaks as well. PostgreSQL names the first by name, SQLite any of them.
BREAKS_WITH_IT = {
    "ck_payment_transactions_amount_not_negative": ["ck_payment_transactions_amount_refunded"]
}


def _constraints(kind: Any) -> list[Any]:
    found = [
        constraint
        for table in db.metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, kind)
    ]
    # A table has them in a set; workers must agree on the order.
    return [
        pytest.param(constraint, id=str(constraint.name))
        for constraint in sorted(found, key=lambda one: str(one.name))
    ]


@pytest.fixture
def connection(shared_app) -> Iterator[sa.Connection]:
    """Write what nobody will ever see."""
    with (
        shared_app.app_context(),
        db.engine.connect() as connection,
        connection.begin() as transaction,
    ):
        yield connection
        transaction.rollback()


@pytest.fixture
def make(connection: sa.Connection) -> Make:
    def make(table: str, **changes: Any) -> dict[str, Any]:
        row = {**ROWS[table](make), **changes}
        connection.execute(sa.insert(db.metadata.tables[table]).values(**row))
        return row

    return make


@pytest.fixture
def broken(connection: sa.Connection, make: Make) -> Callable[..., str]:
    """Return what the database names when it refuses that row, which it must."""

    def broken(table: str, **changes: Any) -> str:
        row = {**ROWS[table](make), **changes}
        with pytest.raises(sa.exc.IntegrityError) as refusal, connection.begin_nested():
            connection.execute(sa.insert(db.metadata.tables[table]).values(**row))
        return broken_constraint(refusal.value)

    return broken


@pytest.mark.parametrize("table", sorted(db.metadata.tables))
def test_the_rows_of_these_tests_are_accepted_as_they_are(make, table):
    make(table)
    make(table)


@pytest.mark.parametrize("constraint", _constraints(sa.CheckConstraint))
def test_a_row_that_breaks_a_check_is_refused_by_the_database(connection, broken, constraint):
    names = [constraint.name]
    if connection.dialect.name == "sqlite":
        names += BREAKS_WITH_IT.get(constraint.name, [])
    for changes in BREAKS[constraint.name]:
        told = broken(constraint.table.name, **changes)
        assert any(name in told for name in names), changes


@pytest.mark.parametrize("constraint", _constraints((sa.PrimaryKeyConstraint, sa.UniqueConstraint)))
def test_a_second_row_with_what_must_be_unique_is_refused_by_the_database(make, broken, constraint):
    table, columns = constraint.table.name, [column.name for column in constraint.columns]
    first = make(table)

    told = broken(table, **{column: first[column] for column in columns})

    assert told in (
        constraint.name,
        f"UNIQUE constraint failed: {', '.join(f'{table}.{column}' for column in columns)}",
    )


@pytest.mark.parametrize("constraint", _constraints(sa.ForeignKeyConstraint))
def test_a_row_that_refers_to_nothing_is_refused_by_the_database(broken, constraint):
    told = broken(constraint.table.name, **{column: new_id() for column in constraint.column_keys})

    assert told in (constraint.name, "FOREIGN KEY constraint failed")


def test_of_the_questions_about_somebody_one_is_open(make, broken):
    table = "antifraud_questions"
    for answer in ("yes", "no", "failed"):
        answered = make(table, answer=answer)
        make(table, answer=answer, account_id=answered["account_id"])
    asked = make(table, account_id=answered["account_id"])

    told = broken(table, account_id=asked["account_id"])

    assert told in (
        "uq_antifraud_questions_open",
        "UNIQUE constraint failed: antifraud_questions.account_id",
    )


@pytest.mark.usefixtures("app")
def test_what_the_models_ask_for_is_asked_for_by_the_database():
    inspector = sa.inspect(db.engine)
    for table in db.metadata.sorted_tables:
        optional = {
            found["name"] for found in inspector.get_columns(table.name) if found["nullable"]
        }
        assert optional == {column.name for column in table.c if column.nullable}
