"""`GET /api/analytics/dashboard/`: the whole service's figures, or one's own, always right."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.analytics import coupons
from coupon_management_flask.analytics.figures import counting, rollup
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db
from coupon_management_flask.models import Stock, Voucher, VoucherPurchase, VoucherStatus
from coupon_management_flask.vouchers.vouchers import status_at

from ..support import promos
from ..support.people import make_coupon
from ..support.refusals import refusal
from ..support.vouchers import bought, redeem, sell, take_back
from .conftest import DASHBOARD

pytestmark = pytest.mark.both_databases


@pytest.fixture
def everything(client, admin, alice, buyer, shop, mail_coupon):
    """Make something of every kind, and return it by name."""
    coupon = make_coupon(value=30, name="Coffee")
    alice.post(f"/v1/coupons/use/{coupon.hidden_code}")
    company = promos.new_company(client)
    promo = promos.publish(company, description="Ten per cent off all tea")
    visitor = promos.new_user(client)
    for _ in range(2):
        promos.activate(visitor, promo)
    sale, single, mailed = (
        shop.new(code="SALE"),
        shop.new(code="ONCE", maxUsage=1),
        shop.new(code="MAILED", maxUsage=1, discount=5, type="fixed"),
    )
    mail_coupon(mailed)
    for code in ("SALE", "SALE", "SALE", "ONCE", "MAILED"):
        assert shop.redeem(code, total=80).status_code == 201
    kind = sell(admin, name="Exam", price=10)
    exams = bought(buyer, kind, quantity=3, discount_code="SALE")
    assert redeem(buyer, exams[0]).status_code == 200
    return {
        "coupon": coupon.id,
        "promo": promo,
        "sale": sale,
        "single": single,
        "mailed": mailed,
        "kind": kind,
        "exams": exams,
    }


def offers(answer):
    return [
        (offer["kind"], offer["id"], offer["name"], offer["redemptions"])
        for offer in answer["top_offers"]
    ]


def types(answer):
    return [(one["kind"], one["type"], one["redemptions"]) for one in answer["popular_types"]]


def test_an_administrator_sees_the_whole_service(everything, dashboard):
    answer = dashboard(days=2)

    today = clock.now().date()
    yesterday = today - timedelta(days=1)
    assert {name: answer[name] for name in ("scope", "days", "since", "until")} == {
        "scope": "platform",
        "days": 2,
        "since": str(yesterday),
        "until": str(today),
    }
    # Alice, the buyer, the administrator and the visitor. Not the company or the shop's server.
    assert answer["users"] == {"total": 4, "new": 4}
    assert answer["vouchers"] == {
        "by_status": {"active": 2, "used": 1, "expired": 0, "frozen": 0, "cancelled": 0},
        "issued": 3,
        "used": 1,
    }
    assert answer["redemptions"] == {
        "total": 10,
        "credit": 1,
        "promo": 2,
        "discount": 5,
        "email": 1,
        "voucher": 1,
    }
    # Three vouchers of 10, less 10 %; four orders of 80 less 10 %, one less 5.
    assert answer["revenue"] == {"USD": 27}
    assert answer["credit_spent"] == 30
    assert answer["discount_given"] == {"USD": 40}
    assert answer["conversion"] == {"issued": 4, "redeemed": 2, "rate": 0.5}
    assert offers(answer) == [
        ("discount", everything["sale"]["id"], "SALE", 4),
        ("promo", everything["promo"], "Ten per cent off all tea", 2),
        ("credit", str(everything["coupon"]), "Coffee", 1),
        ("email", "tea.example", "tea.example", 1),
        ("voucher", everything["kind"]["id"], "Exam", 1),
    ]
    assert types(answer) == [
        ("discount", "percentage", 5),
        ("promo", "COMMON", 2),
        ("email", "fixed", 1),
        ("voucher", "Exam", 1),
    ]
    assert answer["coupons"] == {"expired": 0, "expiring": 1, "deactivated": 0}
    assert answer["series"] == [
        {"date": str(yesterday), "issued": 0, "redeemed": 0, "revenue": {}},
        {"date": str(today), "issued": 4, "redeemed": 10, "revenue": {"USD": 27}},
    ]


def test_what_is_summed_up_and_what_is_not_yet_make_the_same_picture(
    everything, dashboard, sum_up, shop, buyer, monkeypatch
):
    at_once = dashboard()
    monkeypatch.setattr(rollup, "EVENTS_AT_ONCE", 2)
    monkeypatch.setattr(rollup, "STEPS_AT_ONCE", 3)
    # A bit, and all of it.
    assert sum_up() == 3
    assert dashboard() == at_once
    monkeypatch.setattr(rollup, "STEPS_AT_ONCE", 1000)
    assert sum_up() > 3
    assert dashboard() == at_once
    assert sum_up() == 0

    shop.redeem("SALE", total=80)
    redeem(buyer, everything["exams"][1])
    later = dashboard()
    assert (
        later["redemptions"]["discount"],
        later["vouchers"]["used"],
        later["discount_given"],
    ) == (6, 2, {"USD": 48})
    assert later["conversion"] == {"issued": 4, "redeemed": 3, "rate": 0.75}
    sum_up()
    assert dashboard() == later


def test_a_user_sees_what_is_their_own_and_nobody_elses(
    everything, dashboard, buyer, alice, bob, sum_up
):
    for _ in range(2):
        answer = dashboard(buyer)
        assert (answer["scope"], answer["users"], answer["coupons"]) == ("user", None, None)
        assert answer["vouchers"] == {
            "by_status": {"active": 2, "used": 1, "expired": 0, "frozen": 0, "cancelled": 0},
            "issued": 3,
            "used": 1,
        }
        assert answer["redemptions"] == {
            "total": 2,
            "credit": 0,
            "promo": 0,
            "discount": 1,
            "email": 0,
            "voucher": 1,
        }
        assert (answer["revenue"], answer["discount_given"], answer["credit_spent"]) == (
            {"USD": 27},
            {"USD": 3},
            0,
        )
        assert answer["conversion"] == {"issued": 3, "redeemed": 1, "rate": 0.3333}
        assert offers(answer) == [
            ("discount", everything["sale"]["id"], "SALE", 1),
            ("voucher", everything["kind"]["id"], "Exam", 1),
        ]
        assert types(answer) == [("discount", "percentage", 1), ("voucher", "Exam", 1)]
        assert answer["series"][-1] == {
            "date": str(clock.now().date()),
            "issued": 3,
            "redeemed": 2,
            "revenue": {"USD": 27},
        }

        assert dashboard(alice)["redemptions"] == {
            "total": 1,
            "credit": 1,
            "promo": 0,
            "discount": 0,
            "email": 0,
            "voucher": 0,
        }
        assert dashboard(alice)["credit_spent"] == 30
        nothing = dashboard(bob)
        assert (
            nothing["redemptions"]["total"],
            nothing["vouchers"]["issued"],
            nothing["revenue"],
            nothing["top_offers"],
        ) == (0, 0, {}, [])
        assert nothing["conversion"] == {"issued": 0, "redeemed": 0, "rate": None}
        sum_up()


@pytest.mark.parametrize("summed_up", [False, True], ids=["before", "after it was summed up"])
def test_what_is_taken_back_counts_no_more(everything, dashboard, shop, buyer, sum_up, summed_up):
    order = shop.redeem("SALE", total=100).json
    before = dashboard()
    if summed_up:
        sum_up()

    shop.roll_back(order["redemptionId"])
    purchase_id = db.session.scalar(sa.select(VoucherPurchase.id))
    take_back(purchase_id)

    for _ in range(2):
        answer = dashboard()
        assert answer["redemptions"] == {**before["redemptions"], "discount": 5, "total": 10}
        assert answer["discount_given"] == {"USD": 40}
        assert answer["revenue"] == {"USD": 0}
        assert answer["vouchers"]["by_status"] == {
            "active": 0,
            "used": 0,
            "expired": 0,
            "frozen": 0,
            "cancelled": 3,
        }
        assert answer["series"][-1] == {
            "date": str(clock.now().date()),
            "issued": 4,
            "redeemed": 10,
            "revenue": {"USD": 0},
        }
        own = dashboard(buyer)
        assert (own["revenue"], own["vouchers"]["by_status"]["cancelled"]) == ({"USD": 0}, 3)
        sum_up()


def test_vouchers_are_in_the_status_that_redeeming_them_would_meet_at_every_moment(
    admin, buyer, dashboard, sum_up, monkeypatch
):
    def time_is(moment):
        monkeypatch.setattr(clock, "now", lambda: moment)

    start = datetime.combine(clock.now().date(), datetime.min.time(), UTC) - timedelta(
        days=6, hours=12
    )
    kinds = [
        sell(admin, validity_days=1, price=0),
        sell(admin, validity_days=2, max_uses=2, price=0),
    ]
    for hours in (0, 7, 20):
        time_is(start + timedelta(hours=hours))
        for kind in kinds:
            # Of each kind one is used once, one used up, one cancelled, one cancelled after it was
            # used up, and one left alone.
            once, used_up, cancelled, used_and_cancelled, _ = (
                bought(buyer, kind)[0] for _ in range(5)
            )
            for voucher, times in (
                (once, 1),
                (used_up, kind["max_uses"]),
                (used_and_cancelled, kind["max_uses"]),
            ):
                for _ in range(times):
                    assert redeem(buyer, voucher).status_code == 200
            for voucher in (cancelled, used_and_cancelled):
                take_back(
                    db.session.scalar(
                        sa.select(Voucher.purchase_id).where(Voucher.code == voucher["code"])
                    )
                )

    moments = [start + timedelta(hours=hours) for hours in range(20, 80, 5)]
    for _ in range(2):
        told = []
        for moment in moments:
            time_is(moment)
            told.append(dashboard()["vouchers"]["by_status"])
        assert told == [statuses_at(moment) for moment in moments]
        assert len({tuple(one.values()) for one in told}) == 7
        assert sum_up() >= 0


def statuses_at(moment):
    status = status_at(moment).label("status")
    statuses = sa.select(status).join_from(Voucher, Stock, Stock.id == Voucher.stock_id).subquery()
    found = db.session.execute(
        sa.select(statuses.c.status, sa.func.count()).group_by(statuses.c.status)
    ).all()
    return dict.fromkeys(map(str, VoucherStatus), 0) | {row[0]: row[1] for row in found}


def test_the_window_is_so_many_days_of_which_today_is_the_last(
    admin, alice, dashboard, sum_up, monkeypatch
):
    now = clock.now()
    coupons = [make_coupon(value=1) for _ in range(4)]
    midnight = datetime.combine(now.date(), datetime.min.time(), UTC)
    for coupon, moment in zip(
        coupons,
        (
            now,
            midnight,
            midnight - timedelta(microseconds=1),
            midnight - timedelta(days=29, microseconds=1),
        ),
        strict=True,
    ):
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        assert alice.post(f"/v1/coupons/use/{coupon.hidden_code}").status_code == 200
    monkeypatch.setattr(clock, "now", lambda: now)

    for who in (admin, alice, admin, alice):
        assert [dashboard(who, days=days)["credit_spent"] for days in (1, 2, 29, 30, 31, 366)] == [
            2,
            3,
            3,
            3,
            4,
            4,
        ]
        series = dashboard(who, days=366)["series"]
        assert [day["date"] for day in series] == [
            str(now.date() - timedelta(days=365 - number)) for number in range(366)
        ]
        assert sum(day["redeemed"] for day in series) == 4
        assert who.get(DASHBOARD).json == dashboard(who, days=30)
        sum_up()


def test_coupons_that_expire_or_are_switched_off_are_counted(
    client, admin, shop, dashboard, monkeypatch
):
    now = clock.now()

    def at(**span):
        return (now + timedelta(**span)).replace(microsecond=0).isoformat().replace("+00:00", "Z")

    for expires in (at(days=1), at(days=9), at(days=11)):
        shop.new(expiresAt=expires)
    make_coupon(expiration_date=now - timedelta(days=1))
    make_coupon(expiration_date=now - timedelta(days=11), active=False)
    shop.new(isActive=False)
    company = promos.new_company(client)
    for days in (-1, -11, 5):
        promos.publish(company, active_until=str(now.date() + timedelta(days=days)))

    there = {"expired": 2, "expiring": 3, "deactivated": 2}
    assert dashboard(days=10)["coupons"] == there

    # Of very many only so many are counted at once; the rest is known once the worker has counted.
    monkeypatch.setattr(coupons, "COUNTED_AT_ONCE", 1)
    assert dashboard(days=10)["coupons"] == {"expired": 2, "expiring": 2, "deactivated": 2}
    for _ in range(2):
        counting.count_coupons()
        assert dashboard(days=10)["coupons"] == there


def test_offers_that_are_gone_still_count_and_have_no_name(admin, shop, dashboard, sum_up):
    coupon = shop.new(code="GONE")
    shop.redeem("GONE")
    assert offers(dashboard()) == [("discount", coupon["id"], "GONE", 1)]
    sum_up()
    assert shop.delete(f"/api/v1/coupons/{coupon['id']}").status_code == 204

    assert offers(dashboard()) == [("discount", coupon["id"], None, 1)]


def test_codes_of_a_batch_are_one_offer(admin, shop, dashboard):
    batch = shop.post(
        "/api/v1/coupons/generate",
        json={
            "count": 3,
            "pattern": "TEA-########",
            "template": {"type": "fixed", "discount": 1, "couponFor": "product"},
        },
    )
    batch_id = batch.json["batchId"]
    codes = shop.get(f"/api/v1/coupons/batches/{batch_id}/codes.csv").text.split()[1:]
    for code in codes:
        assert shop.redeem(code).status_code == 201

    assert offers(dashboard()) == [("discount", batch_id, "TEA-########", 3)]


def test_amounts_are_in_the_units_of_their_currencies(admin, buyer, shop, dashboard, sum_up):
    shop.new(code="YEN", type="fixed", discount=150, currency="JPY")
    shop.new(code="DINAR", type="fixed", discount="1.125", currency="KWD")
    for code in ("YEN", "DINAR"):
        assert shop.redeem(code, total=1000).status_code == 201

    assert dashboard()["discount_given"] == {"JPY": 150, "KWD": 1.125}
    sum_up()
    assert dashboard()["discount_given"] == {"JPY": 150, "KWD": 1.125}


def test_days_that_are_none_are_refused(alice):
    answer = alice.get(f"{DASHBOARD}?days=0")
    assert (answer.status_code, answer.json["error_code"]) == (400, "validation_error")
    assert list(answer.json["days"])
    assert alice.get(f"{DASHBOARD}?days=366").status_code == 200


def test_strangers_and_companies_see_nothing(client):
    company = promos.new_company(client)
    for path in (DASHBOARD, "/api/analytics/export.csv"):
        assert refusal(client.get(path), "vouchers") == (401, "authentication_required")
        assert refusal(company.get(path), "vouchers") == (401, "invalid_token")


def test_a_dashboard_sends_few_statements_however_much_there_is(
    everything, admin, buyer, statements
):
    for who, most in ((admin, 5), (buyer, 3)):
        statements.clear()
        assert who.get(DASHBOARD).status_code == 200
        # The guard's, the figures, and names; of the whole service also the marks and coupons.
        assert len(statements) == most, statements
