"""A database from before money could come again: what went back of its sales is written down."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask_migrate import downgrade, upgrade

from coupon_management_flask import create_app
from coupon_management_flask.analytics.dashboard import read_dashboard
from coupon_management_flask.analytics.figures import rollup
from coupon_management_flask.audit import rules
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db
from coupon_management_flask.models import new_id

from ..conftest import DATABASES, dispose_engines, settings_for
from ..support.postgres import create_database, drop_database

BEFORE = "0012"


@pytest.fixture(params=DATABASES)
def old_database(request, postgres, tmp_path):
    """Push the context of an application on a database of that revision."""
    url = f"sqlite:///{tmp_path}/coupons.db"
    if request.param == "postgresql":
        made = create_database(postgres, "coupons_old")
        url = made.render_as_string(hide_password=False)
    app = create_app(settings_for(url))
    with app.app_context():
        upgrade(revision=BEFORE)
        yield
        dispose_engines()
    if request.param == "postgresql":
        drop_database(postgres, "coupons_old")


def test_what_was_refunded_before_leaves_revenue_once_whether_or_not_it_was_summed_up(
    old_database, monkeypatch
):
    now = clock.now()
    buyer, kind = new_id(), new_id()
    write(
        "accounts",
        id=buyer,
        kind="user",
        username="x",
        username_key="x",
        password_hash="x",
        name="x",
        surname="",
        role="user",
        is_active=True,
        created_at=now,
    )
    write(
        "voucher_types",
        id=kind,
        name="x",
        description="",
        price=100,
        currency="USD",
        service_type="x",
        is_active=True,
        validity_days=9,
        max_uses=1,
        created_at=now,
    )
    known, unknown, partly = (sold(buyer, kind, now, moment) for moment in (1, 2, None))
    write_payment(partly, buyer, kind, now, status="completed", amount_refunded=50)
    for purchase_id in (known[0], unknown[0]):
        write_payment((purchase_id,), buyer, kind, now, status="refunded", amount_refunded=200)
    # The figures know of all sales, and of the first cancellation alone.
    day, expiry = now.date(), (now + timedelta(days=9)).date()
    for measure, of, currency, number, amount in (
        ("issued", day, "", 6, 0),
        ("sold", day, "USD", 4, 400),
        ("expiring", expiry, "", 4, 0),
        ("cancelled", expiry, "", 2, 0),
    ):
        write(
            "daily_figures",
            measure=measure,
            day=of,
            kind="voucher" if measure == "issued" else "",
            label="",
            currency=currency,
            number=number,
            amount=amount,
        )
    zero = clock.now().replace(year=1970, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    write("roll_up_marks", stream="vouchers", moment=zero, last_id=partly[-1])
    write(
        "roll_up_marks",
        stream="cancellations",
        moment=now + timedelta(seconds=1),
        last_id=known[-1],
    )

    upgrade()

    assert list(rules.discrepancies()) == []
    monkeypatch.setattr(rollup, "MARGIN", timedelta(seconds=-1))
    for _ in range(2):
        told = read_dashboard(buyer, days=1, whole_service=True)
        assert {currency: float(sum_) for currency, sum_ in told.revenue.items()} == {"USD": 1.5}
        assert (told.vouchers.by_status["active"], told.vouchers.by_status["cancelled"]) == (2, 4)
        rollup.roll_up()
    assert list(rules.discrepancies()) == []
    downgrade(revision=BEFORE)
    upgrade()
    assert list(rules.discrepancies()) == []


def write(table, **row):
    with db.engine.begin() as connection:
        connection.execute(sa.insert(db.metadata.tables[table]).values(**row))


def sold(buyer, kind, now, cancelled_after):
    """Write a purchase of two vouchers, cancelled after so many seconds; return all ids."""
    purchase_id, ids = new_id(), []
    cancelled_at = None if cancelled_after is None else now + timedelta(seconds=cancelled_after)
    write(
        "voucher_purchases",
        id=purchase_id,
        account_id=buyer,
        voucher_type_id=kind,
        quantity=2,
        unit_price=100,
        discount=0,
        total=200,
        currency="USD",
        created_at=now,
        refunded_at=cancelled_at,
    )
    for position in range(2):
        ids.append(new_id())
        write("stocks", id=ids[-1], capacity=1, claimed=0)
        write(
            "vouchers",
            id=ids[-1],
            code=str(ids[-1]),
            code_key=str(ids[-1]),
            account_id=buyer,
            voucher_type_id=kind,
            purchase_id=purchase_id,
            position=position,
            stock_id=ids[-1],
            purchase_date=now,
            expiry_date=now + timedelta(days=9),
            cancelled_at=cancelled_at,
        )
    return purchase_id, *ids


def write_payment(purchase, buyer, kind, now, **more):
    write(
        "payment_transactions",
        id=purchase[0],
        account_id=buyer,
        voucher_type_id=kind,
        quantity=2,
        unit_price=100,
        amount=200,
        currency="USD",
        completed_at=now,
        created_at=now,
        updated_at=now,
        **more,
    )
