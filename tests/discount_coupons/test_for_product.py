"""GET /api/v1/coupons/product/<productId>: whatever the id, and by category where it is known."""

from urllib.parse import quote

import pytest

from ..support.discounts import PATH
from ..support.refusals import refusal

pytestmark = pytest.mark.both_databases

SHOPIFY = "gid://shopify/Product/1"


def listed(shop, product_id, *, plainly=False, **query):
    """Return the codes that are listed for a product, in their order."""
    path = quote(product_id, safe="/:" if plainly else "")
    answer = shop.get(f"{PATH}/product/{path}", query_string=query)
    assert answer.status_code == 200, answer.text
    return [coupon["code"] for coupon in answer.json]


@pytest.mark.parametrize(
    "product_id",
    [SHOPIFY, "/", "a/", "/a", "a//b", "a%2Fb", "100%", "%25", "ü ?#&;=+", "a\nb", "..", "x/" * 32],
)
def test_any_id_of_1_to_64_characters_is_asked_for(shop, product_id):
    shop.new(code="THIS", products=[product_id])
    shop.new(code="OTHER", products=["a", "b", "a/b", "%", "1"])

    assert listed(shop, product_id) == ["THIS"]


@pytest.mark.parametrize("product_id", [SHOPIFY, "/a", "a//b", "x/" * 31 + "y"])
def test_an_id_with_plain_slashes_is_the_same(shop, product_id):
    shop.new(code="THIS", products=[product_id])

    assert listed(shop, product_id, plainly=True) == ["THIS"]
    # A slash at the end of the path makes no difference, and is not the id's.
    assert listed(shop, f"{product_id}/", plainly=True) == ["THIS"]


def test_an_id_that_no_product_has_is_refused(shop):
    for path in ("x" * 65, quote("/" * 65, safe=""), "a%00b"):
        answer = shop.get(f"{PATH}/product/{path}")
        assert refusal(answer, "discount_coupons") == (400, "validation_error"), path
    for path in ("", "/"):
        answer = shop.get(f"{PATH}/product/{path}")
        assert answer.status_code == 404 or refusal(answer, "discount_coupons")[0] == 400, path


def test_a_coupon_for_a_category_is_listed_where_the_product_is_known_to_be_of_it(shop):
    shop.new(code="SHOES", categories=["shoes"], priority=5)
    shop.new(code="SHOES-OR-P1", categories=["shoes"], products=["p1"], priority=4)
    shop.new(code="EVERY", priority=3)
    shop.new(
        code="MINIMUM",
        couponFor="minPurchase",
        minPurchaseAmount=10,
        categories=["hats"],
        priority=2,
    )
    shop.new(code="NO-SHOES", excludedCategories=["shoes"], priority=1)
    shop.new(code="NEVER-P2", categories=["shoes"], excludedProducts=["p2"])

    assert listed(shop, "p1") == ["SHOES-OR-P1", "EVERY", "MINIMUM", "NO-SHOES"]
    assert listed(shop, "p2") == ["EVERY", "MINIMUM", "NO-SHOES"]
    assert listed(shop, "p2", category="hats") == ["EVERY", "MINIMUM", "NO-SHOES"]
    assert listed(shop, "p2", category="shoes") == ["SHOES", "SHOES-OR-P1", "EVERY", "MINIMUM"]


def test_it_is_found_by_its_categories_of_now_however_it_was_made(shop, alice):
    changed = shop.new(code="CHANGED", categories=["hats"])
    shop.patch(f"{PATH}/{changed['id']}", json={"categories": ["shoes"]})
    answer = shop.post(
        f"{PATH}/import",
        data="code,type,discount,couponFor,categories\nFILE,fixed,1,product,bags;shoes\n",
        content_type="text/csv",
    )
    assert answer.status_code == 201, answer.text

    assert sorted(listed(shop, "p1", category="shoes")) == ["CHANGED", "FILE"]
    assert sorted(listed(alice, "p1", category="shoes")) == ["CHANGED", "FILE"]
    assert listed(shop, "p1", category="hats") == listed(shop, "p1") == []
    assert shop.delete(f"{PATH}/{changed['id']}").status_code == 204
    assert listed(shop, "p1", category="shoes") == ["FILE"]


def test_what_is_listed_for_a_product_of_a_category_applies_to_it_in_a_cart(shop):
    shop.new(code="SHOES", categories=["shoes"])
    cart = {"cartTotal": 10, "items": [{"productId": "p1", "quantity": 1, "unitPrice": 10}]}

    for category in (None, "hats", "shoes"):
        known = {} if category is None else {"category": category}
        item = cart["items"][0] | known
        answer = shop.post(f"{PATH}/validate", json={"code": "SHOES", **cart, "items": [item]})
        assert (answer.status_code == 200) == (listed(shop, "p1", **known) == ["SHOES"]), category


@pytest.mark.parametrize("query", ["category=", f"category={'x' * 65}"])
def test_a_query_that_is_wrong_is_refused(shop, query):
    answer = shop.get(f"{PATH}/product/p1?{query}")

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
