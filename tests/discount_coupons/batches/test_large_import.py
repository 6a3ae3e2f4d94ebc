"""POST /api/v1/coupons/import of more than 10,000 lines: in the background, all of it or nothing.

Until all of it is there nobody sees or uses any of it, whatever becomes of the worker.
"""

import os
import signal
import tracemalloc
from datetime import timedelta
from itertools import count, pairwise

import pytest
import sqlalchemy as sa

from coupon_management_flask.admin.editing.use_cases import DiscountCoupons
from coupon_management_flask.analytics import coupons as ended
from coupon_management_flask.analytics.figures import counting
from coupon_management_flask.analytics.figures.measures import Measure
from coupon_management_flask.analytics.window import Window
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.discount_coupons.bulk import imports, write
from coupon_management_flask.messaging import outbox
from coupon_management_flask.models import (
    CouponBatch,
    CouponImportPart,
    DailyFigure,
    DiscountCoupon,
    DiscountCouponTarget,
    OutboxMessage,
    Stock,
)
from coupon_management_flask.tasks import purge

from ...support.discounts import PATH
from ...support.refusals import refusal
from ...support.waiting import wait_until
from .conftest import codes_there, deliver_due
from .test_generate import start_worker  # noqa: F401

pytestmark = pytest.mark.both_databases

HEADER = "code,type,discount,couponFor,products"


@pytest.fixture
def small(monkeypatch):
    """More than ten lines are many, and five a part."""
    monkeypatch.setattr(imports, "MADE_AT_ONCE", 10)
    monkeypatch.setattr(write, "ROWS_AT_ONCE", 5)


@pytest.fixture
def upload(shop):
    def upload(*lines, **options):
        body = "\n".join([HEADER, *lines]).encode()
        return shop.post(f"{PATH}/import", data=body, content_type="text/csv", **options)

    return upload


@pytest.fixture
def progress(shop):
    return lambda batch: shop.get(f"{PATH}/batches/{batch['batchId']}").json


def many(number=12, **instead):
    """Lines L-0, L-1, ...; `L_3="..."` stands in place of the fourth."""
    return [instead.get(f"L_{one}", f"L-{one},fixed,1,product,") for one in range(number)]


def rows_there():
    return {
        table.__tablename__: db.session.scalar(sa.select(sa.func.count()).select_from(table))
        for table in (DiscountCoupon, DiscountCouponTarget, Stock, CouponImportPart)
    }


NOTHING = {
    "discount_coupons": 0,
    "discount_coupon_targets": 0,
    "stocks": 0,
    "coupon_import_parts": 0,
}


def test_ten_thousand_lines_are_made_at_once_and_one_more_in_the_background(
    upload, progress, monkeypatch
):
    # With as many lines as that, emptying the tables afterwards takes half a minute.
    assert imports.MADE_AT_ONCE == 10_000
    monkeypatch.setattr(imports, "MADE_AT_ONCE", 1_000)
    answer = upload(*many(1_000))
    assert (answer.status_code, answer.json) == (201, {"imported": 1_000})

    answer = upload(*(f"M-{one},fixed,1,product," for one in range(1_001)))

    assert answer.status_code == 202
    batch = answer.json
    assert batch == {
        "batchId": batch["batchId"],
        "status": "pending",
        "count": 1_001,
        "done": 0,
    }
    assert len(codes_there()) == 1_000
    seen = [0]
    while deliver_due(most=1):
        seen.append(progress(batch)["done"])
    # Nobody waits for more rows than these.
    portion = write.rows_at_once()
    assert all(after - before <= portion for before, after in pairwise(seen))
    assert progress(batch) == {**batch, "status": "done", "done": 1_001}
    assert rows_there()["coupon_import_parts"] == 0


def test_nobody_sees_or_uses_a_coupon_before_all_are_there(app, shop, upload, alice, small):
    shop.new(code="OLD", discount=0, products=["other"])
    batch = upload(
        *many(L_0="L-0,percentage,50,product,p1"),
        headers={"Idempotency-Key": "k"},
    ).json
    cart = {"cartTotal": 10, "productIds": ["p1"]}
    console = DiscountCoupons.only

    def seen():
        return {
            "status": shop.get(f"{PATH}/batches/{batch['batchId']}").json["status"],
            "code": shop.get(f"{PATH}/code/L-0").status_code,
            "validate": shop.post(f"{PATH}/validate", json={"code": "L-0", **cart}).status_code,
            "apply": alice.post(f"{PATH}/apply", json={"code": "L-0", **cart}).status_code,
            "redeem": shop.redeem("L-0", order="o", productIds=["p1"]).status_code,
            "use": shop.post(f"{PATH}/increment-usage", json={"code": "L-0"}).status_code,
            "best": alice.post(f"{PATH}/best", json=cart).json["codes"],
            "found": len(shop.get(PATH).json["results"]),
            "total": [who.get(PATH).json["totalResults"] for who in (shop, alice)],
            "of a product": [len(who.get(f"{PATH}/product/p1").json) for who in (shop, alice)],
            "csv": shop.get(f"{PATH}/batches/{batch['batchId']}/codes.csv").status_code,
            "console": db.session.scalar(
                sa.select(sa.func.count()).select_from(DiscountCoupon).where(console)
            ),
        }

    hidden = {
        "code": 404,
        "validate": 404,
        "apply": 404,
        "redeem": 404,
        "use": 404,
        "best": [],
        "found": 1,
        "total": [1, 1],
        "of a product": [0, 0],
        "csv": 409,
        "console": 1,
    }
    assert seen() == {"status": "pending", **hidden}
    for _ in range(2):
        assert deliver_due(most=1) == 1
        assert seen() == {"status": "running", **hidden}
    coupon_id = db.session.scalar(sa.select(DiscountCoupon.id).where(DiscountCoupon.code == "L-0"))
    for method in ("GET", "PATCH", "DELETE"):
        answer = shop.request(method, f"{PATH}/{coupon_id}", json={"discount": 2})
        assert refusal(answer, "discount_coupons") == (404, "coupon_not_found")
    # Its code is taken all the same.
    answer = shop.post(
        PATH, json={"code": "l-0", "type": "fixed", "discount": 1, "couponFor": "product"}
    )
    assert refusal(answer, "discount_coupons") == (400, "coupon_code_taken")

    assert deliver_due() == 1

    assert seen() == {
        "status": "done",
        "code": 200,
        "validate": 200,
        "apply": 200,
        "redeem": 201,
        "use": 200,
        "best": ["L-0"],
        "found": 10,
        "total": [13, 13],
        "of a product": [12, 12],
        "csv": 200,
        "console": 13,
    }


def test_coupons_that_are_not_there_yet_are_in_no_figure(shop, small):
    now = clock.now()
    soon = clock.rfc3339(now + timedelta(hours=1))
    lines = [f"{line},{soon},false" for line in many()]
    body = "\n".join([f"{HEADER},expiresAt,isActive", *lines]).encode()
    assert shop.post(f"{PATH}/import", data=body, content_type="text/csv").status_code == 202

    def figures():
        counting.count_coupons()
        counted = db.session.scalar(
            sa.select(sa.func.coalesce(sa.func.sum(DailyFigure.number), 0)).where(
                DailyFigure.measure.in_((Measure.ENDING, Measure.SWITCHED_OFF))
            )
        )
        seen = ended.count_ended(Window(now, 30))
        return counted, seen.expiring, seen.deactivated

    deliver_due(most=2)
    assert figures() == (0, 0, 0)
    deliver_due()
    assert figures() == (24, 12, 12)


def test_bad_lines_are_told_when_it_has_failed_and_nothing_of_it_is_there(
    shop, upload, progress, small
):
    before = rows_there()
    batch = upload(
        *many(
            L_2="L-2,fixed,one,product,",
            L_7="L-0,fixed,1,product,a",
            L_9="L-9,fixed",
        )
    ).json
    # Somebody else is faster.
    shop.new(code="L-5")
    others = rows_there()

    assert deliver_due(most=1) == 1
    assert progress(batch)["status"] == "running"
    deliver_due(most=2)

    failed = progress(batch)
    assert {**failed, "badLines": ...} == {
        **batch,
        "status": "failed",
        "badLines": ...,
    }
    reasons = {line["line"]: line["reason"] for line in failed["badLines"]}
    assert list(reasons) == [4, 7, 9, 11]
    assert "discount" in reasons[4]
    assert reasons[7] == reasons[9] == "Coupon code already taken"
    assert "2 fields" in reasons[11]
    assert shop.get(f"{PATH}/code/L-1").status_code == 404
    assert refusal(
        shop.get(f"{PATH}/batches/{batch['batchId']}/codes.csv"), "discount_coupons"
    ) == (409, "batch_not_done")

    deliver_due()

    assert {**rows_there(), "coupon_import_parts": 0} == {**others, "coupon_import_parts": 0}
    assert rows_there()["coupon_import_parts"] == before["coupon_import_parts"] == 0
    assert progress(batch) == failed
    # Its codes are free again.
    assert upload(*many(5)).status_code == 201


def test_a_file_with_a_thousand_bad_lines_is_not_read_to_its_end(upload, progress, monkeypatch):
    monkeypatch.setattr(imports, "MADE_AT_ONCE", 10)
    monkeypatch.setattr(write, "ROWS_AT_ONCE", 500)
    batch = upload(*(["x,fixed,1,product,"] * 1_600)).json

    assert deliver_due(most=2) == 2

    failed = progress(batch)
    assert (failed["status"], failed["count"], failed["done"]) == ("failed", 1_600, 0)
    assert [line["line"] for line in failed["badLines"]] == [*range(2, 1_002)]
    deliver_due()
    assert rows_there() == NOTHING


def test_what_is_no_csv_file_is_refused_at_once_however_large(shop, upload, small):
    for last in ('END,fixed,1,"product', b"\xe9,fixed,1,product,"):
        body = "\n".join([HEADER, *many(), ""]).encode()
        body += last if isinstance(last, bytes) else last.encode()
        answer = shop.post(f"{PATH}/import", data=body, content_type="text/csv")
        assert refusal(answer, "discount_coupons") == (400, "validation_error")
        assert answer.json["message"].startswith("line ")
    assert rows_there() == NOTHING
    assert db.session.scalar(sa.select(sa.func.count()).select_from(CouponBatch)) == 0


def test_the_same_idempotency_key_imports_once(upload, small):
    answers = [upload(*many(), headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert answers[0].status_code == 202
    assert answers[0].data == answers[1].data
    deliver_due()
    assert len(codes_there()) == 12
    assert upload(*many(13), headers={"Idempotency-Key": "k"}).status_code == 422


def test_so_many_large_files_may_wait(upload, small, monkeypatch):
    monkeypatch.setattr(imports, "MOST_WAITING", 1)
    assert upload(*many()).status_code == 202

    answer = upload(*many(11))

    assert refusal(answer, "discount_coupons") == (429, "rate_limited")
    assert answer.headers["Retry-After"] == "60"
    deliver_due()
    # Neither one that is done nor one that has failed waits.
    assert upload(*many()).status_code == 202
    deliver_due()
    assert upload(*(line.replace("L", "M") for line in many())).status_code == 202


def test_a_part_that_is_asked_for_twice_is_made_once(app, upload, progress, small):
    batch = upload(*many()).json
    payload = db.session.scalars(sa.select(OutboxMessage.payload)).one()
    for _ in range(2):
        with transaction():
            outbox.write("coupon_batch", payload)

    deliver_due()

    assert progress(batch)["done"] == 12
    assert len(codes_there()) == 12


def test_an_import_that_was_given_up_is_removed(upload, progress, small):
    batch = upload(*many()).json
    deliver_due(most=1)
    with transaction():
        db.session.execute(
            sa.update(OutboxMessage)
            .where(OutboxMessage.delivered_at.is_(None))
            .values(given_up_at=clock.now())
        )
    failed = {**batch, "status": "failed"}
    assert progress(batch) == failed
    assert len(codes_there()) == 5

    purge.spent()
    deliver_due()

    assert rows_there() == NOTHING
    assert progress(batch) == failed


def test_lines_with_many_products_are_cut_into_parts_by_these(upload, progress, monkeypatch):
    monkeypatch.setattr(imports.batches, "MOST_ROWS_AT_ONCE", 20)
    monkeypatch.setattr(write, "ROWS_AT_ONCE", 10)
    batch = upload(*(f"L-{one},fixed,1,product,a;b;c;d;e;f" for one in range(5)))
    assert batch.status_code == 202

    # Two of them have twelve products.
    assert deliver_due() == 3

    assert progress(batch.json)["done"] == 5
    assert rows_there()["discount_coupon_targets"] == 30


@pytest.mark.long
def test_what_a_large_file_needs_in_memory_does_not_grow_with_it(app, small, monkeypatch):
    monkeypatch.setattr(write, "ROWS_AT_ONCE", 200)
    number = count()

    def peak(lines):
        body = [
            f"{HEADER}\n".encode(),
            *(f"M-{next(number)},fixed,1,product,\n".encode() for _ in range(lines)),
        ]
        tracemalloc.start()
        try:
            made = imports.import_coupons(None, iter(body), currency="EUR")
            assert made.count == lines
            deliver_due(1_000)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(200)
    assert peak(6000) < 2 * peak(600)


@pytest.mark.server
def test_a_worker_that_is_killed_in_the_middle_leaves_the_rest_to_another(
    shop,
    upload,
    progress,
    start_worker,  # noqa: F811
    monkeypatch,
):
    lines = [f"K-{one},fixed,1,product," for one in range(20_000)]
    batch = upload(*lines).json
    worker = start_worker()
    wait_until(lambda: progress(batch)["done"] > 0, "the worker begins")
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert progress(batch)["status"] == "running"
    assert shop.get(PATH).json["totalResults"] == 0

    # The lease of what it was at has lapsed by then.
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=31))
    deliver_due()

    assert progress(batch) == {**batch, "status": "done", "done": 20_000}
    assert sorted(codes_there()) == sorted(line.partition(",")[0] for line in lines)
    assert shop.get(PATH).json["totalResults"] == 20_000
