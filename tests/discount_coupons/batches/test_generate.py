"""POST /api/v1/coupons/generate and GET /api/v1/coupons/batches/...: as many codes as asked for.

There are exactly as many, whatever happens meanwhile.
"""

import json
import os
import re
import signal
import subprocess
import tracemalloc
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock, codes
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.discount_coupons.bulk import batches as batch_service
from coupon_management_flask.discount_coupons.bulk import parts
from coupon_management_flask.discount_coupons.bulk import write as coupons_in_bulk
from coupon_management_flask.models import CouponBatch, DiscountCoupon, OutboxMessage, Stock, new_id

from ...support.discounts import PATH
from ...support.refusals import refusal
from ...support.server import FLASK, ROOT, environment
from ...support.waiting import wait_until
from .conftest import TEMPLATE, codes_there, deliver_due

pytestmark = pytest.mark.both_databases


def downloaded(shop, batch):
    answer = shop.get(f"{PATH}/batches/{batch['batchId']}/codes.csv")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    # Excel reads it as UTF-8 by the mark at its beginning.
    header, *lines = answer.text.splitlines()
    assert header == "\ufeffcode"
    return lines


def test_up_to_a_thousand_are_there_at_once(shop, generate):
    answer = generate(
        {
            "products": ["1"],
            "excludedProducts": ["2"],
            "customerIds": ["3"],
            "startsAt": "2026-01-01T00:00:00Z",
        },
        count=1000,
        pattern="sum-#######-x",
    )

    assert answer.status_code == 201
    batch = answer.json
    assert batch == {"batchId": batch["batchId"], "status": "done", "count": 1000, "done": 1000}
    assert shop.get(f"{PATH}/batches/{batch['batchId']}").json == batch
    made = downloaded(shop, batch)
    assert len(set(made)) == 1000
    assert made == codes_there()
    assert all(re.fullmatch(f"SUM-[{codes.ALPHABET}]{{7}}-X", code) for code in made)


def test_each_is_an_ordinary_coupon_of_the_template_for_one_use(shop, generate, alice):
    template = {
        "products": ["1"],
        "discount": 10.1,
        "limits": {"budget": "5.50"},
        "schedule": {"weekdays": [1]},
        "description": "x",
        "currency": "JPY",
    }
    refused = generate(template)
    assert refusal(refused, "discount_coupons")[0] == 400
    batch = generate({**template, "currency": "USD"}).json
    code = downloaded(shop, batch)[0]

    coupon = shop.get(f"{PATH}/code/{code.lower()}").json

    kept = {
        "products": ["1"],
        "discount": 10.1,
        "limits": {"budget": 5.5},
        "description": "x",
        "currency": "USD",
        "maxUsage": 1,
        "usageCount": 0,
    }
    assert {name: coupon[name] for name in kept} == kept
    assert coupon["schedule"]["weekdays"] == [1]
    found = shop.get(f"{PATH}/product/1").json
    assert {one["code"] for one in found} == set(codes_there())
    # Never shown to shoppers.
    assert alice.get(PATH).json["results"] == []
    assert alice.get(f"{PATH}/product/1").json == []
    assert alice.get(f"{PATH}/code/{code}").status_code == 404


def test_a_generated_code_is_used_once(shop, generate):
    code = downloaded(shop, generate({"discount": 10}).json)[0]

    assert shop.redeem(code).status_code == 201
    assert refusal(shop.redeem(code), "discount_coupons") == (400, "usage_limit_exceeded")


def test_more_than_a_thousand_are_made_in_the_background(shop, generate, monkeypatch):
    monkeypatch.setattr(coupons_in_bulk, "ROWS_AT_ONCE", 400)
    answer = generate(count=1001)
    assert answer.status_code == 202
    batch = answer.json
    assert (batch["status"], batch["count"], batch["done"]) == ("pending", 1001, 0)
    path = f"{PATH}/batches/{batch['batchId']}"
    assert refusal(shop.get(f"{path}/codes.csv"), "discount_coupons") == (409, "batch_not_done")

    seen = []
    while deliver_due(most=1):
        seen.append(tuple(shop.get(path).json[name] for name in ("status", "done")))

    assert seen == [("running", 400), ("running", 800), ("done", 1001)]
    made = downloaded(shop, batch)
    assert len(set(made)) == len(made) == 1001
    assert made == codes_there()
    assert (
        db.session.scalar(sa.select(sa.func.count()).select_from(Stock).where(Stock.capacity == 1))
        == 1001
    )


def test_few_codes_that_list_very_many_products_are_made_in_the_background_too(
    generate, monkeypatch
):
    monkeypatch.setattr(batch_service, "MOST_ROWS_AT_ONCE", 20)
    products = [str(number) for number in range(5)]

    assert generate({"products": products}, count=4).status_code == 201
    assert generate({"products": products}, count=5).status_code == 202


def test_two_batches_share_no_code_and_each_has_its_own(shop, generate):
    first, second = generate(count=500).json, generate(count=500).json

    assert len({*downloaded(shop, first), *downloaded(shop, second)}) == 1000


def test_the_same_idempotency_key_makes_one_batch(shop):
    body = {"count": 5, "template": TEMPLATE}
    answers = [
        shop.post(f"{PATH}/generate", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]

    assert answers[0].data == answers[1].data
    assert len(codes_there()) == 5


def test_a_code_that_is_taken_is_replaced(shop, generate, monkeypatch):
    shop.new(code="TAKEN-2222222")
    drawn = iter(
        ["2222222" + "3333333" * 2 + "4444444", "2222222" + "3333333", "5555555" + "6666666"]
    )
    monkeypatch.setattr(codes, "draw", lambda count: next(drawn))

    batch = generate(pattern="TAKEN-#######", count=4).json

    assert batch["done"] == 4
    assert sorted(downloaded(shop, batch)) == [f"TAKEN-{digit * 7}" for digit in "3456"]
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Stock)) == 5


def test_a_pattern_that_could_be_guessed_is_refused_and_the_length_that_would_do_is_named(
    shop, generate
):
    # 31 characters: 31 ** 4 < a million < 31 ** 5, and so on.
    for count, needed in ((1, 5), (28, 5), (29, 6), (1_000, 7), (1_000_000, 9)):
        for pattern in ("#" * (needed - 1), "X-" + "#" * (needed - 1), "ABC"):
            answer = generate(count=count, pattern=pattern)
            assert refusal(answer, "discount_coupons") == (400, "validation_error"), (
                count,
                pattern,
            )
            assert f"at least {needed} #" in answer.json["message"]
    assert codes_there() == []
    assert db.session.scalar(sa.select(sa.func.count()).select_from(CouponBatch)) == 0

    assert generate(count=28, pattern="#####").status_code == 201
    # Whoever guesses hits codes of either batch.
    assert "at least 6 #" in generate(count=1, pattern="#####").json["message"]
    assert generate(count=1_000_000, pattern="#########").status_code == 202


def test_bodies_of_the_wrong_shape_are_refused_and_nothing_is_made(shop, generate):
    # All other wrong bodies are in test_schemas.py.
    bad = [("count", {"count": 0})]
    bad += [("discount", {"template": {**TEMPLATE, "discount": 101}})]
    bad += [("maxUsage", {"template": {**TEMPLATE, "maxUsage": value}}) for value in (None, 0, 2)]
    for field, body in bad:
        answer = shop.post(f"{PATH}/generate", json={"count": 3, "template": TEMPLATE, **body})
        assert refusal(answer, "discount_coupons") == (400, "validation_error"), body
        assert field in answer.json["message"]
    assert refusal(
        generate({"products": [str(number) for number in range(11)]}, count=1_000_000),
        "discount_coupons",
    ) == (400, "validation_error")
    assert codes_there() == []
    assert generate({"maxUsage": 1}).status_code == 201


def test_only_who_manages_coupons_may(client, alice, generate):
    batch = generate().json["batchId"]
    calls = [
        ("POST", "generate"),
        ("POST", "import"),
        ("GET", f"batches/{batch}"),
        ("GET", f"batches/{batch}/codes.csv"),
    ]
    for method, path in calls:
        assert refusal(
            alice.request(method, f"{PATH}/{path}", json={"count": 3, "template": TEMPLATE}),
            "discount_coupons",
        ) == (403, "permission_denied")
        assert refusal(client.open(f"{PATH}/{path}", method=method), "discount_coupons") == (
            401,
            "authentication_required",
        )
    assert len(codes_there()) == 3


def test_a_batch_that_is_not_there_is_404_and_what_is_no_id_is_400(shop):
    for path in ("", "/codes.csv"):
        assert refusal(shop.get(f"{PATH}/batches/{new_id()}{path}"), "discount_coupons") == (
            404,
            "batch_not_found",
        )
        assert refusal(shop.get(f"{PATH}/batches/x{path}"), "discount_coupons") == (
            400,
            "validation_error",
        )


def test_a_batch_that_the_outbox_gave_up_has_failed(shop, generate):
    batch = generate(count=1001).json
    with transaction():
        db.session.execute(sa.update(OutboxMessage).values(given_up_at=clock.now()))

    assert shop.get(f"{PATH}/batches/{batch['batchId']}").json["status"] == "failed"
    assert refusal(
        shop.get(f"{PATH}/batches/{batch['batchId']}/codes.csv"), "discount_coupons"
    ) == (409, "batch_not_done")


def test_a_bit_that_fails_leaves_nothing_and_is_made_later(shop, generate, monkeypatch):
    now = clock.now
    monkeypatch.setattr(coupons_in_bulk, "ROWS_AT_ONCE", 1000)
    batch = generate(count=1500).json
    write = coupons_in_bulk.write

    def half(*args, **kwargs):
        write(*args, **kwargs)
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(coupons_in_bulk, "write", half)
        assert deliver_due() == 0
    assert codes_there() == []
    assert shop.get(f"{PATH}/batches/{batch['batchId']}").json["done"] == 0

    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=5))
    assert deliver_due() == 2
    assert len(downloaded(shop, batch)) == 1500


def test_a_bit_that_is_asked_for_twice_is_made_once(app, generate, monkeypatch):
    monkeypatch.setattr(coupons_in_bulk, "ROWS_AT_ONCE", 1000)
    batch = generate(count=2500).json
    payload = {"batch_id": batch["batchId"], "start": 0}

    parts.make_more(new_id(), payload)
    parts.make_more(new_id(), payload)

    assert len(codes_there()) == 1000
    assert deliver_due() == 3
    assert len(codes_there()) == 2500


def test_what_the_csv_needs_does_not_grow_with_the_batch(shop, generate, monkeypatch):
    batch = generate(count=3000).json
    deliver_due()

    def peak(rows):
        monkeypatch.setattr(coupons_in_bulk, "ROWS_AT_ONCE", rows)
        pages = batch_service.codes_of(batch_service.UUID(batch["batchId"]))
        [page[0] for page in pages]
        tracemalloc.start()
        try:
            assert (
                sum(
                    len(page)
                    for page in batch_service.codes_of(batch_service.UUID(batch["batchId"]))
                )
                == 3000
            )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(100) < peak(3000) / 3


# --- With real workers


@pytest.fixture
def start_worker(database_url):
    started = []

    def start():
        started.append(
            subprocess.Popen([*FLASK, "worker"], env=environment(database_url), cwd=ROOT)
        )
        return started[-1]

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


@pytest.mark.server
def test_a_worker_that_is_killed_in_the_middle_leaves_the_rest_to_another_and_the_count_is_exact(
    shop, generate, start_worker, monkeypatch
):
    batch = generate(count=40_000).json
    path = f"{PATH}/batches/{batch['batchId']}"
    worker = start_worker()
    wait_until(lambda: shop.get(path).json["done"] > 0, "the worker begins")
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    before = shop.get(path).json
    assert before["status"] == "running"
    assert len(codes_there()) == before["done"]

    # The lease of what it was at has lapsed by then.
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=30))
    deliver_due()

    assert shop.get(path).json == {**before, "status": "done", "done": 40_000}
    assert len(set(downloaded(shop, batch))) == 40_000
    assert db.session.scalar(sa.select(sa.func.count()).select_from(DiscountCoupon)) == 40_000


@pytest.mark.server
def test_two_workers_make_two_batches_of_exactly_as_many_as_were_asked_for(
    shop, generate, start_worker
):
    batches = [generate(count=count).json for count in (11_001, 10_500)]

    for _ in range(2):
        start_worker()
    wait_until(
        lambda: all(
            shop.get(f"{PATH}/batches/{batch['batchId']}").json["status"] == "done"
            for batch in batches
        ),
        "the workers are done",
    )

    made = [downloaded(shop, batch) for batch in batches]
    assert [len(codes) for codes in made] == [11_001, 10_500]
    assert len({*made[0], *made[1]}) == 21_501


# --- flask codes generate


def test_an_operator_makes_codes_and_gets_them_as_csv(app, tmp_path):
    file = tmp_path / "codes.csv"
    words = [
        "codes",
        "generate",
        "--count",
        "1200",
        "--pattern",
        "OP-########",
        "--template",
        json.dumps(TEMPLATE),
        "--output",
        str(file),
    ]

    ran = app.test_cli_runner().invoke(args=words)

    assert ran.exit_code == 0, ran.output
    header, *made = file.read_text().splitlines()
    assert header == "code"
    assert made == codes_there()
    assert len(set(made)) == 1200


def test_an_operator_is_told_what_is_wrong_and_nothing_is_made(app):
    for changes in (
        ["--count", "0"],
        ["--pattern", "####"],
        ["--template", "{"],
        ["--template", "[]"],
        ["--template", "{}"],
    ):
        words = ["codes", "generate", "--count", "3", "--template", json.dumps(TEMPLATE), *changes]
        ran = app.test_cli_runner().invoke(args=words)
        assert ran.exit_code != 0, changes
        assert "Traceback" not in ran.output
    assert codes_there() == []
