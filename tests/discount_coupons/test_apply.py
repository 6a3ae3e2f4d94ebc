"""POST /api/v1/coupons/apply: what a code takes off, to the cent."""

from ..support.discounts import PATH, items
from ..support.refusals import refusal


def apply(shop, coupon, total=None, **cart):
    answer = shop.post(
        f"{PATH}/apply",
        json={"code": coupon["code"], **({} if total is None else {"cartTotal": total}), **cart},
    )
    assert answer.status_code == 200, answer.text
    return answer.json


def test_the_answer_to_a_total(shop, discount_books):
    coupon = shop.new(code="FIFTEEN", discount=15)
    before = discount_books()

    assert apply(shop, coupon, "34.90") == {
        "couponCode": "FIFTEEN",
        "discountType": "percentage",
        "discountValue": 15,
        # 5.235, half up.
        "discountAmount": 5.24,
        "originalAmount": 34.9,
        "finalAmount": 29.66,
        "savings": 5.24,
    }
    # It takes no use.
    assert discount_books() == before


def test_amounts_may_be_numbers_or_texts(shop):
    coupon = shop.new(discount=10)
    for total in (19.99, "19.99", "19.990"):
        assert apply(shop, coupon, total)["finalAmount"] == 17.99
    assert apply(shop, coupon, 0)["discountAmount"] == 0


def test_a_fixed_discount_is_capped_by_what_it_applies_to_and_any_by_its_maximum(shop):
    fixed = shop.new(type="fixed", discount="12.50")
    capped = shop.new(discount=50, maxDiscountAmount=20)

    assert apply(shop, fixed, 100)["discountAmount"] == 12.5
    assert apply(shop, fixed, 10)["finalAmount"] == 0
    assert apply(shop, capped, 30)["discountAmount"] == 15
    assert apply(shop, capped, 100)["discountAmount"] == 20


def test_without_items_the_products_decide_whether_and_the_total_how_much(shop):
    coupon = shop.new(products=["p1"], discount=10)

    assert apply(shop, coupon, 200, productIds=["p1", "p2"])["discountAmount"] == 20
    answer = shop.post(
        f"{PATH}/apply", json={"code": coupon["code"], "cartTotal": 200, "productIds": ["p2"]}
    )
    assert refusal(answer, "discount_coupons") == (400, "no_eligible_products")


def test_with_items_only_those_that_match_count_and_each_line_has_its_share(shop):
    coupon = shop.new(
        products=["p1"], categories=["tea"], excludedProducts=["p4"], type="fixed", discount=10
    )
    cart = items(
        ("p1", 1, 1000),
        ("p2", 2, 500, "tea"),
        ("p1", 1, 1000),
        ("p3", 1, 9999),
        ("p4", 1, 1, "tea"),
    )

    answer = apply(shop, coupon, **cart, productIds=["p3"])

    assert (answer["discountAmount"], answer["originalAmount"], answer["finalAmount"]) == (
        10,
        130,
        120,
    )
    assert answer["lines"] == [
        {"productId": "p1", "discountAmount": 3.34, "finalAmount": 6.66},
        {"productId": "p2", "discountAmount": 3.33, "finalAmount": 6.67},
        {"productId": "p1", "discountAmount": 3.33, "finalAmount": 6.67},
        {"productId": "p3", "discountAmount": 0, "finalAmount": 99.99},
        {"productId": "p4", "discountAmount": 0, "finalAmount": 0.01},
    ]


def test_a_minimum_purchase_applies_to_the_whole_cart(shop):
    coupon = shop.new(couponFor="minPurchase", minPurchaseAmount=50, discount=10, products=["p1"])

    assert apply(shop, coupon, **items(("p2", 1, 5000)))["discountAmount"] == 5
    answer = shop.post(f"{PATH}/apply", json={"code": coupon["code"], **items(("p2", 1, 4999))})
    assert answer.json == {
        "code": 400,
        "message": "Minimum purchase amount of USD 50.00 required",
        "error_code": "minimum_not_reached",
    }


def test_a_currency_has_its_own_decimals(shop):
    yen = shop.new(currency="JPY", discount=15)

    assert apply(shop, yen, 3490)["discountAmount"] == 524
    answer = shop.post(f"{PATH}/apply", json={"code": yen["code"], "cartTotal": 34.9})
    assert refusal(answer, "discount_coupons") == (400, "validation_error")
