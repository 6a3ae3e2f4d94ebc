"""POST /api/v1/coupons/apply-all and best: several codes on one cart, and the automatic choice."""

import itertools
import random

import pytest

from coupon_management_flask.discount_coupons import checkout
from coupon_management_flask.discount_coupons.pricing import units

from ..support.discounts import PATH, items, new_shop
from ..support.refusals import refusal

pytestmark = pytest.mark.both_databases


def apply_all(caller, *codes, total=100, **cart):
    answer = caller.post(
        f"{PATH}/apply-all", json={"codes": list(codes), "cartTotal": total, **cart}
    )
    assert answer.status_code == 200, answer.text
    return answer.json


def best(caller, *codes, total=100, **cart):
    answer = caller.post(
        f"{PATH}/best",
        json={**({"codes": list(codes)} if codes else {}), "cartTotal": total, **cart},
    )
    assert answer.status_code == 200, answer.text
    return answer.json


def left_out(answer):
    return {one["code"]: one["error_code"] for one in answer["leftOut"]}


def test_codes_apply_by_priority_then_by_the_larger_saving(shop, discount_books):
    shop.new(code="SMALL", discount=5, combinable=True)
    shop.new(code="LARGE", discount=10, combinable=True)
    shop.new(code="FIRST", type="fixed", discount=1, combinable=True, priority=1)
    shop.new(code="INITIAL", discount=10, combinable=True, base="initial", priority=-1)
    before = discount_books()

    answer = apply_all(shop, "small", "INITIAL", "LARGE", "FIRST", "large")

    assert answer == {
        "codes": [
            {"code": "FIRST", "discountAmount": 1},
            {"code": "LARGE", "discountAmount": 9.9},
            {"code": "SMALL", "discountAmount": 4.46},
            {"code": "INITIAL", "discountAmount": 10},
        ],
        "leftOut": [],
        "discountAmount": 25.36,
        "originalAmount": 100,
        "finalAmount": 74.64,
        "savings": 25.36,
    }
    assert discount_books() == before
    # What was promised is what is redeemed.
    assert shop.redeem("SMALL", "LARGE", "FIRST", "INITIAL").json["codes"] == answer["codes"]


def test_why_the_others_are_left_out(shop):
    shop.new(code="ALONE", discount=90)
    shop.new(code="ONE", discount=10, combinable=True, exclusiveGroup="g", priority=1)
    shop.new(code="TWO", discount=10, combinable=True, exclusiveGroup="g")
    shop.new(code="OFF", isActive=False, combinable=True)
    shop.new(code="YEN", currency="JPY", combinable=True)
    shop.new(code="DEAR", minPurchaseAmount=500, combinable=True)

    answer = apply_all(shop, "ONE", "TWO", "ALONE", "OFF", "YEN", "DEAR", "NONE")

    assert [one["code"] for one in answer["codes"]] == ["ONE"]
    assert left_out(answer) == {
        "TWO": "exclusive_group",
        "ALONE": "not_combinable",
        "OFF": "coupon_inactive",
        "YEN": "currency_mismatch",
        "DEAR": "minimum_not_reached",
        "NONE": "coupon_not_found",
    }
    messages = {one["code"]: one["message"] for one in answer["leftOut"]}
    assert (messages["NONE"], messages["DEAR"]) == (
        "Coupon not found",
        "Minimum purchase amount of USD 500.00 required",
    )
    # The first in order goes alone where it is not combinable.
    answer = apply_all(shop, "ALONE", "TWO")
    assert ([one["code"] for one in answer["codes"]], left_out(answer)) == (
        ["ALONE"],
        {"TWO": "not_combinable"},
    )


def test_lines_have_the_shares_of_all_codes_together(shop):
    shop.new(code="TEA", discount=50, categories=["tea"], combinable=True)
    shop.new(code="ALL", type="fixed", discount=10, combinable=True)

    answer = apply_all(
        shop,
        "TEA",
        "ALL",
        **{"total": None, **items(("t", 1, 4000, "tea"), ("c", 1, 2000, "cake"))},
    )

    assert answer["discountAmount"] == 30
    assert answer["lines"] == [
        {"productId": "t", "discountAmount": 25, "finalAmount": 15},
        {"productId": "c", "discountAmount": 5, "finalAmount": 15},
    ]


def test_a_shopper_gets_what_is_valid_for_it(shop, alice):
    shop.new(code="MINE", customerIds=[str(alice.id)], combinable=True)
    shop.new(code="THEIRS", customerIds=["c1"], combinable=True)

    answer = apply_all(alice, "MINE", "THEIRS", "NONE")

    assert [one["code"] for one in answer["codes"]] == ["MINE"]
    assert left_out(answer) == {"THEIRS": "coupon_not_found", "NONE": "coupon_not_found"}
    assert best(alice, "MINE", "THEIRS")["codes"] == ["MINE"]
    answer = alice.post(f"{PATH}/best", json={"cartTotal": 1, "customerId": "c1"})
    assert refusal(answer, "discount_coupons") == (400, "validation_error")


def test_the_best_set_is_the_one_with_the_lowest_final_amount(shop):
    draw = random.Random(4)
    codes = []
    for number in range(7):
        terms = draw.choice(
            [{"type": "fixed", "discount": draw.randint(1, 30)}, {"discount": draw.randint(1, 40)}]
        )
        group = draw.choice([None, None, "g"])
        shop.new(
            code=f"C-{number}",
            combinable=number != 3,
            exclusiveGroup=group,
            base=draw.choice(["initial", "remaining"]),
            **terms,
        )
        codes.append(f"C-{number}")

    found = best(shop, *codes)

    # Any set that apply-all lets through whole.
    sets = (
        combination for size in range(1, 8) for combination in itertools.combinations(codes, size)
    )
    possible = [
        answer
        for chosen in sets
        if len((answer := apply_all(shop, *chosen))["codes"]) == len(chosen)
    ]
    assert found["finalAmount"] == min(answer["finalAmount"] for answer in possible)
    assert found["exact"] is True
    assert found["discountAmount"] + found["finalAmount"] == found["originalAmount"] == 100
    assert shop.redeem(*found["codes"]).json["finalAmount"] == found["finalAmount"]


def test_without_codes_the_choice_is_among_the_public_coupons_that_apply(shop, alice, bob):
    shop.new(code="PUBLIC", discount=10)
    shop.new(code="MINE", discount=20, customerIds=[str(alice.id), "c1"])
    shop.new(code="OFF", discount=90, isActive=False)
    shop.new(code="EXPIRED", discount=90, expiresAt="2001-01-01T00:00:00Z")
    shop.new(code="YEN", discount=90, currency="JPY")
    shop.new(code="OTHER", discount=90, products=["p9"])
    shop.new(code="FULL", discount=90, maxUsage=0)

    assert best(alice, productIds=["p1"]) == {
        "codes": ["MINE"],
        "discountAmount": 20,
        "originalAmount": 100,
        "finalAmount": 80,
        "exact": True,
    }
    assert (
        best(bob, productIds=["p1"])["codes"]
        == best(shop, productIds=["p1"])["codes"]
        == ["PUBLIC"]
    )
    assert best(shop, productIds=["p1"], customerId="c1")["codes"] == ["MINE"]


def test_nothing_that_applies_is_no_error(shop):
    assert best(shop) == {
        "codes": [],
        "discountAmount": 0,
        "originalAmount": 100,
        "finalAmount": 100,
        "exact": True,
    }
    assert best(shop, "NONE")["codes"] == []
    assert apply_all(shop, "NONE")["finalAmount"] == 100


def test_beyond_twelve_it_says_that_it_is_not_exact(shop):
    for number in range(13):
        shop.new(code=f"C-{number}", discount=number + 1, combinable=True)

    assert best(shop)["exact"] is False
    assert best(shop, *(f"C-{number}" for number in range(12)))["exact"] is True


# All other wrong bodies are in test_schemas.py.
@pytest.mark.parametrize("path", ["apply-all", "best"])
def test_a_body_that_is_wrong_is_refused(shop, path):
    answer = shop.post(f"{PATH}/{path}", json={"codes": [], "cartTotal": 1})

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    assert "codes" in answer.json["message"]


def test_the_best_is_found_by_whoever_may_look_at_coupons(client):
    caller = new_shop(client, "getCoupons")

    assert caller.post(f"{PATH}/best", json={"cartTotal": 1}).status_code == 200


def test_best_works_out_the_lines_of_the_winners_alone_however_many_coupons_there_are(
    shop, monkeypatch
):
    for number in range(30):
        shop.new(discount=number + 1, combinable=False)
    cart = items(*[(f"p{number}", 1, 1000) for number in range(1_000)])
    split, share = [], units.largest_remainder
    monkeypatch.setattr(units, "largest_remainder", lambda *given: split.append(1) or share(*given))

    answer = shop.post(f"{PATH}/best", json=cart)

    assert answer.status_code == 200
    assert (answer.json["discountAmount"], answer.json["exact"]) == (3000, False)
    assert len(split) < 5


def test_best_looks_at_so_many_public_coupons_of_the_highest_priority(shop, monkeypatch):
    monkeypatch.setattr(checkout, "MOST_CANDIDATES", 2)
    first, second = (shop.new(discount=discount, priority=2) for discount in (10, 20))

    exact = shop.post(f"{PATH}/best", json=items(("a", 1, 100))).json
    shop.new(discount=50, priority=1)
    bounded = shop.post(f"{PATH}/best", json=items(("a", 1, 100))).json
    named = shop.post(
        f"{PATH}/best", json={"codes": [first["code"], second["code"]], **items(("a", 1, 100))}
    ).json

    assert exact["exact"] is named["exact"] is True
    assert (bounded["codes"], bounded["exact"]) == ([second["code"]], False)
