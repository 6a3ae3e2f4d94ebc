"""Everything is summed up exactly once, whoever does it.

That holds however late something is committed, and whoever dies meanwhile.
"""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.analytics.dashboard import read_dashboard
from coupon_management_flask.analytics.figures import counting, folding, rebuilding, rollup
from coupon_management_flask.analytics.figures.measures import Measure
from coupon_management_flask.audit import rules
from coupon_management_flask.core import clock, stock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.messaging import loop as background
from coupon_management_flask.models import (
    DailyFigure,
    Redemption,
    RollUpMark,
    VoucherPurchase,
    first_id_at,
    new_id,
)
from coupon_management_flask.payments.sales import delivery

from ..support import people
from ..support.books import rows_of
from ..support.server import ROOT, environment
from ..support.vouchers import bought, redeem, sell
from .conftest import DASHBOARD

pytestmark = pytest.mark.both_databases

HOUR = timedelta(hours=1)


@pytest.fixture
def later(monkeypatch):
    """Let time pass."""
    now = clock.now
    return lambda span: monkeypatch.setattr(clock, "now", lambda: now() + span)


def claim_some(count, account_id):
    stock_id = stock.create(None)
    return [people.claim(stock_id, account_id) for _ in range(count)]


def redeemed():
    """Return how many redemptions are in the figures."""
    return db.session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(DailyFigure.number), 0)).where(
            DailyFigure.measure == Measure.REDEEMED
        )
    )


def test_nothing_is_summed_up_while_somebody_may_still_come(alice, later):
    with transaction():
        claim_some(3, alice.id)

    assert rollup.roll_up() == 0
    later(rollup.MARGIN + timedelta(seconds=1))
    assert rollup.roll_up() > 0
    assert redeemed() == 3
    assert rollup.roll_up() == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_redemption_that_is_committed_late_is_waited_for(app, alice, admin, later):
    written, may_commit = threading.Event(), threading.Event()

    def slow():
        with app.app_context(), transaction():
            claim_some(1, alice.id)
            written.set()
            assert may_commit.wait(timeout=20)

    with ThreadPoolExecutor() as pool:
        slow_one = pool.submit(slow)
        assert written.wait(timeout=20)
        with transaction():
            claim_some(1, alice.id)
        later(HOUR / 2)
        # The later one was committed first, half an hour ago by now. Its turn comes after the
        # slow one's.
        rollup.roll_up()
        assert redeemed() == 0
        may_commit.set()
        slow_one.result(timeout=20)
    rollup.roll_up()

    assert redeemed() == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whoever_only_reads_holds_nothing_up(alice, later):
    with transaction():
        claim_some(2, alice.id)
    with db.engine.connect() as connection:
        # A backup, which takes an hour.
        connection.execute(sa.text("SELECT count(*) FROM redemptions"))
        later(HOUR / 2)
        rollup.roll_up()

    assert redeemed() == 2


_PROMO = stock.Claiming("promo", "figures_promo")
_DISCOUNT = stock.Claiming("discount", "figures_discount")


def claim_one(claiming, stock_id, account_id):
    redemption_id = new_id()
    with transaction():
        claiming.claim(
            stock_id,
            claim_key=stock.repeatable_key(account_id, redemption_id),
            account_id=account_id,
            redemption_id=redemption_id,
        )
    return redemption_id


def test_many_sum_up_at_once_while_others_redeem_and_roll_back_and_who_looks_sees_each_one_once(
    app, alice, admin, monkeypatch
):
    # Nobody here takes that long between making an id and committing it.
    monkeypatch.setattr(rollup, "MARGIN", timedelta(seconds=2))
    monkeypatch.setattr(rollup, "EVENTS_AT_ONCE", 3)
    stop = threading.Event()
    with transaction():
        stock_id = stock.create(None)
    to_roll_back = [claim_one(_DISCOUNT, stock_id, alice.id) for _ in range(40)]

    def in_context(work):
        def loop():
            with app.app_context():
                while not stop.is_set():
                    work()
                    db.session.remove()

        return loop

    def roll_back():
        if to_roll_back:
            with transaction():
                stock.release(to_roll_back.pop())
        stop.wait(0.05)

    def redeem_one():
        claim_one(_PROMO, stock_id, alice.id)
        stop.wait(0.02)

    def live(kind):
        return db.session.scalar(
            sa.select(sa.func.count()).where(
                Redemption.kind == kind, Redemption.rolled_back_at.is_(None)
            )
        )

    with ThreadPoolExecutor() as pool:
        threads = [
            pool.submit(in_context(work))
            for work in (rollup.roll_up, rollup.roll_up, redeem_one, redeem_one, roll_back)
        ]
        try:
            # Until much of what happened meanwhile is summed up too.
            while redeemed_of("promo") < 12 and not any(thread.done() for thread in threads):
                before = {kind: live(kind) for kind in ("promo", "discount")}
                seen = read_dashboard(admin.id, days=1, whole_service=True).redemptions
                after = {kind: live(kind) for kind in ("promo", "discount")}
                assert before["promo"] <= seen.promo <= after["promo"]
                assert before["discount"] >= seen.discount >= after["discount"]
        finally:
            stop.set()
        for thread in threads:
            thread.result(timeout=60)
    monkeypatch.setattr(rollup, "MARGIN", timedelta(seconds=-1))
    while rollup.roll_up():
        pass

    assert (redeemed_of("promo"), redeemed_of("discount")) == (live("promo"), live("discount"))
    assert len(to_roll_back) < 40


def redeemed_of(kind):
    measure = sa.and_(DailyFigure.measure == Measure.REDEEMED, DailyFigure.kind == kind)
    return db.session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(DailyFigure.number), 0)).where(measure)
    )


def test_a_bit_that_fails_leaves_nothing_and_is_summed_up_later(alice, sum_up, monkeypatch):
    with transaction():
        claim_some(5, alice.id)

    def written_and_lost(facts, write=rollup.add_up):
        write(facts)
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(rollup, "add_up", written_and_lost)
        with pytest.raises(ConnectionError):
            sum_up()
    assert (redeemed(), db.session.scalar(sa.select(sa.func.count()).select_from(RollUpMark))) == (
        0,
        0,
    )

    sum_up()
    assert redeemed() == 5


# It dies as by a power cut, when some bits are committed and the next one is only written.
_DYING = """
import os, signal, sqlalchemy as sa
from datetime import timedelta
from coupon_management_flask import create_app
from coupon_management_flask.analytics.figures import rollup
rollup.EVENTS_AT_ONCE, rollup.MARGIN, seen = 10, timedelta(seconds=-1), []

@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def die(_connection, _cursor, statement, *_):
    is_sum = statement.lstrip().startswith(("INSERT INTO daily_figures", "WITH"))
    seen.append(is_sum and "INSERT INTO daily_figures" in statement)
    if sum(seen) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

with create_app().app_context():
    rollup.roll_up()
"""


def test_one_that_is_killed_in_the_middle_has_summed_up_whole_bits_and_another_does_the_rest(
    alice, database_url, sum_up, dashboard
):
    with transaction():
        claim_some(95, alice.id)
    before = dashboard()

    died = subprocess.run(
        [sys.executable, "-c", _DYING],
        env=environment(database_url),
        cwd=ROOT,
        check=False,
        timeout=60,
    )

    assert died.returncode == -9
    assert redeemed() == 20
    assert dashboard() == before
    assert list(rules.discrepancies()) == []
    sum_up()
    assert redeemed() == 95


@pytest.mark.parametrize("summed_up", [False, True], ids=["before", "after it was summed up"])
def test_what_is_cancelled_and_given_again_counts_as_it_is_at_each_moment(
    admin, buyer, dashboard, sum_up, summed_up
):
    kind = sell(admin, price=1, max_uses=2)
    used, left = bought(buyer, kind, quantity=2)
    assert [redeem(buyer, used).status_code for _ in range(2)] == [200, 200]
    purchase_id = db.session.scalar(sa.select(VoucherPurchase.id))

    def look():
        if summed_up:
            sum_up()
        told = dashboard()
        return told["vouchers"]["by_status"], told["revenue"]

    before = look()
    with transaction():
        delivery.change(purchase_id, is_cancelled=True, lost=200)
    nothing = {"active": 0, "used": 0, "expired": 0, "frozen": 0}
    assert look() == ({**nothing, "cancelled": 2}, {"USD": 0})
    # The bank has sent the money back, but for a part that somebody refunds on the dashboard.
    with transaction():
        delivery.change(purchase_id, is_cancelled=False, lost=50)
    assert look() == (before[0], {"USD": 1.5})
    # What is used up now was not when the others were given again.
    assert [redeem(buyer, left).status_code for _ in range(2)] == [200, 200]
    with transaction():
        delivery.change(purchase_id, is_cancelled=False, is_frozen=True, lost=200)
    assert look() == ({**nothing, "frozen": 2, "cancelled": 0}, {"USD": 0})
    with transaction():
        delivery.change(purchase_id, is_cancelled=False, lost=0)

    assert look() == ({**nothing, "used": 2, "cancelled": 0}, {"USD": 2})
    sum_up()
    assert cancelled() == 0


def cancelled():
    return db.session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(DailyFigure.number), 0)).where(
            DailyFigure.measure == Measure.CANCELLED
        )
    )


def test_of_days_that_are_over_the_best_offers_are_kept_and_the_others_put_together(
    shop, admin, dashboard, sum_up, monkeypatch
):
    monkeypatch.setattr(folding, "OFFERS_OF_A_DAY", 2)
    for number in range(5):
        shop.new(code=f"CODE{number}")
        for _ in range(5 - number):
            assert shop.redeem(f"CODE{number}").status_code == 201
    sum_up()
    best = dashboard()["top_offers"]
    assert [(offer["name"], offer["redemptions"]) for offer in best] == [
        (f"CODE{number}", 5 - number) for number in range(5)
    ]

    # Three days later there is another redemption, and with it the day is over.
    with monkeypatch.context() as patched:
        patched.setattr(rollup, "MARGIN", timedelta(seconds=-1))
        with transaction():
            db.session.execute(
                sa.update(RollUpMark)
                .where(RollUpMark.stream == "redemptions")
                .values(last_id=first_id_at(clock.now() + timedelta(days=3)))
            )
        rollup.roll_up()

    assert [(offer["name"], offer["redemptions"]) for offer in dashboard()["top_offers"]] == [
        ("CODE0", 5),
        ("CODE1", 4),
    ]
    kept = sa.select(DailyFigure.label, DailyFigure.number).where(
        DailyFigure.measure == Measure.OF_OFFER
    )
    assert sorted(number for _, number in db.session.execute(kept)) == [4, 5, 6]
    assert dashboard()["redemptions"]["discount"] == 15


def test_of_two_who_fold_the_same_days_one_does(shop, admin, sum_up, monkeypatch):
    monkeypatch.setattr(folding, "OFFERS_OF_A_DAY", 1)
    for number in range(3):
        shop.new(code=f"CODE{number}")
        assert shop.redeem(f"CODE{number}").status_code == 201
    sum_up()
    with transaction():
        db.session.execute(
            sa.update(RollUpMark)
            .where(RollUpMark.stream == "redemptions")
            .values(last_id=first_id_at(clock.now() + timedelta(days=3)))
        )
    move_mark = folding.move_mark

    def somebody_was_faster(stream, start, end):
        assert move_mark(stream, start, end)
        return move_mark(stream, start, end)

    with monkeypatch.context() as patched:
        patched.setattr(folding, "move_mark", somebody_was_faster)
        folding.fold_offers()

    of_offers = sa.select(sa.func.count()).where(DailyFigure.measure == Measure.OF_OFFER)
    assert db.session.scalar(of_offers) == 3


def test_of_two_who_count_coupons_at_once_one_writes(app, admin, monkeypatch):
    counting.count_coupons()
    before = rows_of(DailyFigure)
    people.make_coupon(active=False)
    move_mark = counting.move_mark

    def somebody_was_faster(stream, start, end):
        assert move_mark(stream, start, end)
        return move_mark(stream, start, end)

    with monkeypatch.context() as patched:
        patched.setattr(counting, "move_mark", somebody_was_faster)
        counting.count_coupons()

    assert rows_of(DailyFigure) == before


def test_an_operator_sees_wrong_figures_and_rebuilds_them(
    app, admin, buyer, sum_up, dashboard, monkeypatch
):
    exams = bought(buyer, sell(admin), quantity=2)
    redeem(buyer, exams[0])
    before = dashboard()
    sum_up()
    with transaction():
        db.session.execute(
            sa.update(DailyFigure)
            .where(DailyFigure.measure == Measure.SOLD)
            .values(amount=DailyFigure.amount + 1)
        )
        db.session.execute(sa.delete(DailyFigure).where(DailyFigure.measure == Measure.REDEEMED))
    today = clock.now().date()
    assert sorted(rules.discrepancies()) == [
        f"figures of {today}, redeemed voucher: they say 0 and 0, what happened says 1 and 0",
        f"figures of {today}, sold USD: they say 2 and 2001, what happened says 2 and 2000",
    ]

    # What one step takes is not all there is.
    monkeypatch.setattr(rollup, "STEPS_AT_ONCE", 1)
    monkeypatch.setattr(rebuilding, "STEPS_AT_ONCE", 1)
    run = app.test_cli_runner().invoke(args=["analytics", "rebuild"])

    assert run.exit_code == 0, run.output
    assert list(rules.discrepancies()) == []
    assert dashboard() == before


def test_the_worker_sums_up_twice_a_minute(alice, later, monkeypatch):
    with transaction():
        claim_some(2, alice.id)
    later(2 * rollup.MARGIN)

    background.turn(["figures"])
    assert redeemed() == 2
    with transaction():
        claim_some(1, alice.id)
    later(4 * rollup.MARGIN)
    background.turn(["figures"])

    assert redeemed() == 3


def test_users_who_register_are_counted_and_nobody_else(client, admin, person, dashboard, sum_up):
    before = dashboard()["users"]
    person()
    people.make_user()
    assert dashboard()["users"] == {"total": before["total"] + 2, "new": before["new"] + 2}
    sum_up()
    assert dashboard()["users"] == {"total": before["total"] + 2, "new": before["new"] + 2}
    assert admin.get(DASHBOARD).status_code == 200


def test_ids_of_version_7_begin_with_the_moment_that_they_are_compared_by(app):
    before = first_id_at(clock.now() - timedelta(milliseconds=2))
    made = new_id()

    assert before < made < first_id_at(clock.now() + timedelta(milliseconds=2))
    assert (
        db.session.scalar(
            sa.select(sa.func.count()).select_from(Redemption).where(Redemption.id > made)
        )
        == 0
    )
