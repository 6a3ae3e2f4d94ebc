"""`GET /api/analytics/export.csv`: the redemptions behind the dashboard, streamed."""

import csv
import tracemalloc
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.analytics import export
from coupon_management_flask.core import clock, stock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import Redemption, new_id

from ..support import promos
from ..support.people import make_coupon
from ..support.refusals import refusal
from ..support.vouchers import bought, redeem, sell
from .conftest import EXPORT


def exported(who, query=""):
    answer = who.get(f"{EXPORT}{query}")
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="redemptions.csv"'
    assert answer.text.startswith("\ufeff")
    return list(csv.DictReader(answer.text.removeprefix("\ufeff").splitlines()))


@pytest.fixture
def everything(client, admin, alice, buyer, shop, mail_coupon):
    """Make a redemption of every kind, one of them rolled back. By kind, in their order."""
    coupon = make_coupon(value=30)
    alice.post(f"/v1/coupons/use/{coupon.hidden_code}")
    promos.activate(
        promos.new_user(client), promos.publish(promos.new_company(client), promo_common="tea-10")
    )
    shop.new(code="SALE")
    mail_coupon(shop.new(code="MAILED", maxUsage=1, currency="JPY", type="fixed", discount=7))
    order = shop.redeem("SALE", total=80).json
    shop.roll_back(order["redemptionId"])
    shop.redeem("MAILED", total=80)
    (exam,) = bought(buyer, sell(admin))
    redeem(buyer, exam)
    return {
        "credit": coupon.hidden_code,
        "promo": "tea-10",
        "discount": "SALE",
        "email": "MAILED",
        "voucher": exam["code"],
    }


def test_an_administrator_gets_all_redemptions_in_the_order_in_which_they_happened(
    everything, admin, alice
):
    rows = exported(admin)

    assert [(row["kind"], row["code"]) for row in rows] == list(everything.items())
    assert [(row["amount"], row["currency"], row["units"]) for row in rows] == [
        ("30", "credits", "1"),
        ("0", "credits", "1"),
        ("8.00", "USD", "1"),
        ("7", "JPY", "1"),
        ("0", "credits", "1"),
    ]
    there = {str(row.id): row for row in db.session.execute(sa.select(*Redemption.__table__.c))}
    for row in rows:
        stored = there[row["id"]]
        assert (row["account_id"], row["redeemed_at"]) == (
            str(stored.account_id),
            clock.rfc3339(stored.created_at),
        )
        assert row["rolled_back_at"] == (
            "" if stored.rolled_back_at is None else clock.rfc3339(stored.rolled_back_at)
        )
    assert [row["kind"] for row in rows if row["rolled_back_at"]] == ["discount"]
    assert rows[0]["account_id"] == str(alice.id)


def test_a_user_gets_their_own_and_nobody_elses(everything, admin, alice, bob, buyer):
    assert [row["kind"] for row in exported(alice)] == ["credit"]
    assert [row["code"] for row in exported(buyer)] == [everything["voucher"]]
    assert exported(bob) == []
    assert bob.get(EXPORT).text == "\ufeff" + ",".join(export.COLUMNS) + "\r\n"


def test_what_a_spreadsheet_would_take_for_a_formula_is_text(client, admin, alice):
    company, user = promos.new_company(client), promos.new_user(client)
    for value in ("=HYPERLINK(1)", "+12345", "-12345", "@SUM(A1)", "fine=1"):
        promos.activate(user, promos.publish(company, promo_common=value))

    assert [row["code"] for row in exported(admin)] == [
        "'=HYPERLINK(1)",
        "'+12345",
        "'-12345",
        "'@SUM(A1)",
        "fine=1",
    ]


def test_what_a_code_holds_does_not_break_the_lines(client, admin):
    code = 'a "quoted", code;'
    promos.activate(
        promos.new_user(client), promos.publish(promos.new_company(client), promo_common=code)
    )

    assert [row["code"] for row in exported(admin)] == [code]


def many(account_id, kinds, count):
    """Make redemptions of several kinds, in turn."""
    claimings = [stock.Claiming(kind, f"export_{kind}") for kind in kinds]
    with transaction():
        stock_id = stock.create(None)
        for number in range(count):
            redemption_id = new_id()
            claimings[number % len(kinds)].claim(
                stock_id,
                claim_key=stock.repeatable_key(account_id, redemption_id),
                account_id=account_id,
                redemption_id=redemption_id,
            )


def test_pages_leave_nothing_out_and_tell_nothing_twice(admin, alice, bob, monkeypatch):
    for person in (alice, bob):
        many(person.id, ["promo", "discount"], 11)
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 4)

    all_of_them, own = exported(admin), exported(alice)

    ids = [str(one) for one in db.session.scalars(sa.select(Redemption.id).order_by(Redemption.id))]
    assert [row["id"] for row in all_of_them] == ids
    assert [row["id"] for row in own] == ids[:11]


def test_redemptions_of_one_moment_are_all_there_whatever_the_page(alice, monkeypatch):
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    many(alice.id, ["promo"], 10)

    for size in (1, 3, 10, 11):
        monkeypatch.setattr(export, "ROWS_AT_ONCE", size)
        assert len({row["id"] for row in exported(alice)}) == 10


def test_only_the_days_that_are_asked_for_are_in_it(admin, alice, monkeypatch):
    now = clock.now()
    for days in (40, 1, 0):
        monkeypatch.setattr(clock, "now", lambda days=days: now - timedelta(days=days))
        alice.post(f"/v1/coupons/use/{make_coupon(value=1).hidden_code}")

    for who in (admin, alice):
        assert [
            len(exported(who, query))
            for query in ("?days=1", "?days=2", "", "?days=40", "?days=41")
        ] == [1, 2, 2, 2, 3]
        for days in ("0", "367", "x"):
            assert who.get(f"{EXPORT}?days={days}").status_code == 400


def test_what_it_needs_does_not_grow_with_the_export(alice, monkeypatch):
    many(alice.id, ["promo"], 3000)

    def peak(rows, whole_service):
        monkeypatch.setattr(export, "ROWS_AT_ONCE", rows)

        def read():
            rows = export.redemptions_as_csv(alice.id, days=1, whole_service=whole_service)
            return sum(text.count("\n") for text in rows)

        read()
        tracemalloc.start()
        try:
            assert read() == 3001
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    for whole_service in (True, False):
        assert peak(100, whole_service) < peak(3000, whole_service) / 3


def test_a_database_that_is_away_is_an_answer_and_not_a_file_that_ends_early(alice, monkeypatch):
    def away(*_):
        raise sa.exc.OperationalError("SELECT", None, ConnectionError())

    monkeypatch.setattr(export, "_everybodys", away)
    monkeypatch.setattr(export, "_own", away)

    assert refusal(alice.get(EXPORT), "vouchers") == (503, "service_unavailable")
