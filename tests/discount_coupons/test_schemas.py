"""What the discount contract's bodies and queries may be; the schemas alone, no database."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import marshmallow as ma
import pytest

from coupon_management_flask.core import errors
from coupon_management_flask.discount_coupons import terms
from coupon_management_flask.discount_coupons.bulk.schemas import NewBatch
from coupon_management_flask.discount_coupons.coupon_limits import Restore
from coupon_management_flask.discount_coupons.schemas import carts, coupons, redemptions

from ..support.discounts import coupon_body
from .batches.conftest import TEMPLATE


def wrong_fields(schema: ma.Schema, body: object) -> dict[str, Any]:
    """The fields of a body that are refused, with what is said about them."""
    try:
        schema.load(body)
    except ma.ValidationError as error:
        return error.messages_dict
    return {}


def wrong_terms(body: dict[str, Any]) -> dict[str, Any]:
    """The same of a new coupon, whose terms may contradict one another too."""
    schema = coupons.NewDiscountCoupon()
    found = wrong_fields(schema, body)
    if found:
        return found
    try:
        terms.complete({"currency": "EUR", **schema.load(body)})
    except errors.Invalid as error:
        return dict(error.fields)
    return {}


# The field that must be named, and what is wrong with it.
WRONG_TERMS = [
    ("code", {"code": "AB"}),
    ("code", {"code": "A" * 21}),
    ("code", {"code": "A B"}),
    ("code", {"code": "ÄÖÜ"}),
    ("code", {"code": "AB\n"}),
    ("code", {"code": "straße"}),
    ("code", {"code": None}),
    ("type", {"type": "free"}),
    ("type", {"type": 1}),
    ("couponFor", {"couponFor": "everything"}),
    ("discount", {"discount": -1}),
    ("discount", {"discount": 100.01}),
    ("discount", {"discount": "1e1"}),
    ("discount", {"discount": "-1"}),
    ("discount", {"discount": "NaN"}),
    ("discount", {"discount": " 5"}),
    ("discount", {"discount": True}),
    ("discount", {"discount": None}),
    ("discount", {"discount": [1]}),
    ("discount", {"discount": 0.00001}),
    ("discount", {"type": "fixed", "discount": 0.001}),
    ("discount", {"type": "fixed", "discount": "0.001"}),
    ("discount", {"type": "fixed", "discount": 10**13}),
    ("discount", {"type": "fixed", "discount": 1e300}),
    ("discount", {"type": "fixed", "discount": 0.5, "currency": "JPY"}),
    ("currency", {"currency": "XYZ"}),
    ("currency", {"currency": "eur"}),
    ("minPurchaseAmount", {"couponFor": "minPurchase"}),
    ("minPurchaseAmount", {"couponFor": "minPurchase", "minPurchaseAmount": None}),
    ("minPurchaseAmount", {"minPurchaseAmount": -0.01}),
    ("minPurchaseAmount", {"minPurchaseAmount": "9.999"}),
    ("maxDiscountAmount", {"maxDiscountAmount": -1}),
    ("maxDiscountAmount", {"maxDiscountAmount": 0.001}),
    ("maxUsage", {"maxUsage": -1}),
    ("maxUsage", {"maxUsage": 1.5}),
    ("maxUsage", {"maxUsage": "1"}),
    ("isActive", {"isActive": 1}),
    ("isActive", {"isActive": None}),
    ("startsAt", {"startsAt": "2030-01-01"}),
    ("expiresAt", {"startsAt": "2030-01-02T00:00:00Z", "expiresAt": "2030-01-02T00:00:00Z"}),
    ("schedule", {"schedule": {"weekdays": [0]}}),
    ("schedule", {"schedule": {"weekdays": [8]}}),
    ("schedule", {"schedule": {"weekdays": []}}),
    ("schedule", {"schedule": {"weekdays": [1, 1]}}),
    ("schedule", {"schedule": {"from": "09:00"}}),
    ("schedule", {"schedule": {"until": "09:00"}}),
    ("schedule", {"schedule": {"from": "09:00", "until": "09:00"}}),
    ("schedule", {"schedule": {"from": "9:00", "until": "10:00"}}),
    ("schedule", {"schedule": {"from": "09:00", "until": "24:00"}}),
    ("schedule", {"schedule": {"timezone": "Mars/Base"}}),
    ("schedule", {"schedule": {"timezone": "localtime"}}),
    ("schedule", {"schedule": {"timezone": "posixrules"}}),
    ("schedule", {"schedule": {"timezone": "right/UTC"}}),
    ("schedule", {"schedule": {"timezone": "posix/Europe/Berlin"}}),
    ("schedule", {"schedule": {"timezone": "europe/berlin"}}),
    ("schedule", {"schedule": {"timezone": "zone.tab"}}),
    ("schedule", {"schedule": {"timezone": "Europe"}}),
    ("schedule", {"schedule": {"timezone": "../../etc/passwd"}}),
    ("schedule", {"schedule": {"hours": 1}}),
    ("limits", {"limits": {"perDay": -1}}),
    ("limits", {"limits": {"perDay": 1.5}}),
    ("limits", {"limits": {"perYear": 1}}),
    ("limits", {"limits": {"budget": -1}}),
    ("limits.budget", {"limits": {"budget": "0.001"}}),
    ("limits", {"limits": None}),
    ("products", {"products": [""]}),
    ("products", {"products": ["x" * 65]}),
    ("products", {"products": [1]}),
    ("products", {"products": "p1"}),
    ("customerIds", {"customerIds": ["a\x00"]}),
    ("exclusiveGroup", {"exclusiveGroup": ""}),
    ("priority", {"priority": 1.0}),
    ("base", {"base": "all"}),
    ("usageCount", {"usageCount": 1}),
    ("id", {"id": "1"}),
    ("whatever", {"whatever": 1}),
]


@pytest.mark.parametrize(("field", "wrong"), WRONG_TERMS)
def test_wrong_terms_are_refused_by_the_name_of_their_field(field, wrong):
    assert list(wrong_terms(coupon_body(**wrong))) == [field]


@pytest.mark.parametrize("missing", ["code", "type", "discount", "couponFor"])
def test_a_new_coupon_has_a_code_and_says_what_it_gives(missing):
    body = coupon_body()
    del body[missing]

    assert list(wrong_terms(body)) == [missing]


ITEM = {"productId": "p", "quantity": 1, "unitPrice": 100}

WRONG_CARTS = [
    ("cartTotal", {"cartTotal": None}),
    ("cartTotal", {"cartTotal": -1}),
    ("cartTotal", {"cartTotal": "1,5"}),
    ("cartTotal", {"cartTotal": True}),
    ("cartTotal", {"cartTotal": 10**13}),
    ("cartTotal", {"cartTotal": 0.30000000000000004}),
    ("productIds", {"productIds": "p1"}),
    ("productIds", {"productIds": [1]}),
    ("productIds", {"productIds": None}),
    ("customerId", {"customerId": None}),
    ("customerId", {"customerId": ""}),
    ("customerId", {"customerId": "c" * 65}),
    ("items", {"items": []}),
    ("items", {"items": None}),
    ("items", {"items": [{"productId": "p", "quantity": 1}]}),
    ("items", {"items": [{**ITEM, "quantity": 0}], "cartTotal": 0}),
    ("items", {"items": [{**ITEM, "quantity": 1.0}]}),
    ("items", {"items": [{**ITEM, "unitPrice": -1}]}),
    ("items", {"items": [{**ITEM, "name": "Tea"}]}),
    ("items", {"items": [{**ITEM, "unitPrice": 0}] * 10_001, "cartTotal": 0}),
    # It is not the sum of the items.
    ("cartTotal", {"items": [{**ITEM, "unitPrice": 99.99}]}),
    ("whatever", {"whatever": 1}),
]

BODIES_WITH_A_CART = {
    carts.CodeAndCart: {"code": "A"},
    carts.CodesAndCart: {"codes": ["A"]},
    carts.CartAndMaybeCodes: {"codes": ["A"]},
    carts.Order: {"code": "A", "orderId": "o1"},
}


@pytest.mark.parametrize("schema", BODIES_WITH_A_CART)
@pytest.mark.parametrize(("field", "wrong"), WRONG_CARTS)
def test_a_wrong_cart_is_refused_by_the_name_of_its_field(schema, field, wrong):
    body = {"cartTotal": 100, **BODIES_WITH_A_CART[schema], **wrong}

    assert list(wrong_fields(schema(), body)) == [field]


@pytest.mark.parametrize("schema", BODIES_WITH_A_CART)
def test_a_cart_has_a_total(schema):
    assert list(wrong_fields(schema(), BODIES_WITH_A_CART[schema])) == ["cartTotal"]


def test_a_cart_of_items_loads_to_a_cart():
    body = {"code": "a", "cartTotal": 200, "items": [{**ITEM, "quantity": 2, "category": "tea"}]}

    loaded = carts.CodeAndCart().load(body)

    (item,) = loaded.pop("cart").items
    assert (item.product_id, item.quantity, item.unit_price) == ("p", 2, Decimal(100))
    assert item.category == "tea"
    assert loaded == {"code": "A", "customer_id": None}


@pytest.mark.parametrize("code", [5, "", None])
@pytest.mark.parametrize("schema", [carts.CodeAndCart, carts.Order])
def test_a_code_to_look_for_is_a_text(schema, code):
    body = {"cartTotal": 100, **BODIES_WITH_A_CART[schema], "code": code}

    assert list(wrong_fields(schema(), body)) == ["code"]


def test_a_code_is_asked_for():
    assert list(wrong_fields(carts.CodeAndCart(), {"cartTotal": 1})) == ["code"]
    assert list(wrong_fields(carts.CodesAndCart(), {"cartTotal": 1})) == ["codes"]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("codes", {"codes": []}),
        ("codes", {"codes": None}),
        ("codes", {"codes": [1]}),
        ("codes", {"codes": "A"}),
        ("codes", {"codes": [f"A{number}" for number in range(101)]}),
        ("code", {"code": "A"}),
    ],
)
@pytest.mark.parametrize("schema", [carts.CodesAndCart, carts.CartAndMaybeCodes])
def test_wrong_codes_are_refused(schema, field, wrong):
    body = {"codes": ["A"], "cartTotal": 1, **wrong}

    assert list(wrong_fields(schema(), body)) == [field]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("orderId", {"orderId": ""}),
        ("orderId", {"orderId": None}),
        ("orderId", {"orderId": 5}),
        # Of `code` and `codes` there is one.
        ("code", {"codes": ["A"]}),
        ("codes", {"codes": []}),
        ("code", {"code": None}),
    ],
)
def test_a_wrong_order_is_refused(field, wrong):
    body = {"code": "A", "orderId": "o1", "cartTotal": 1, **wrong}

    assert field in wrong_fields(carts.Order(), body)


def test_an_order_has_codes():
    assert list(wrong_fields(carts.Order(), {"orderId": "o1", "cartTotal": 1})) == ["code"]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("reason", {"reason": None}),
        ("reason", {"reason": ""}),
        ("lines", {"lines": []}),
        ("lines", {"lines": None}),
        ("lines", {"lines": [-1]}),
        ("lines", {"lines": [0, 0]}),
        ("lines", {"lines": ["0"]}),
        ("restore", {"restore": None}),
        ("restore", {"restore": {"use": 1}}),
        ("restore", {"restore": {"all": True}}),
        ("whatever", {"whatever": 1}),
    ],
)
def test_a_wrong_rollback_is_refused(field, wrong):
    assert list(wrong_fields(redemptions.Rollback(), {"reason": "x", **wrong})) == [field]


def test_a_rollback_has_a_reason_and_restores_everything_unless_it_says_otherwise():
    schema = redemptions.Rollback()

    assert list(wrong_fields(schema, {})) == ["reason"]
    assert schema.load({"reason": "x"})["restore"] == Restore(True, True, True)
    told = schema.load({"reason": "x", "restore": {"customer": False}})
    assert told["restore"] == Restore(use=True, customer=False, budget=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("page", "0"),
        ("page", "x"),
        ("limit", "0"),
        ("limit", "101"),
        ("type", "free"),
        ("couponFor", "x"),
        ("isActive", "1"),
        ("sortBy", "products"),
        ("sortBy", "password"),
        ("sortBy", "code:up"),
        ("sortBy", "code:"),
        ("sortBy", ""),
        ("sortBy", "code,,id"),
        ("sortBy", "is_public"),
        ("sortBy", "batchId"),
        ("sortBy", "usage_count"),
    ],
)
def test_a_wrong_query_is_refused(field, value):
    assert list(wrong_fields(coupons.CouponsQuery(), {field: value})) == [field]


def wrong_batches() -> Iterator[tuple[str, object]]:
    for count in (0, -1, 1_000_001, "3", 3.0, True, None):
        yield "count", count
    patterns = (
        "",
        "##",
        "#" * 21,
        *(f"##########{end}" for end in ("é", " A", "%s")),
        1,
        None,
    )
    for pattern in patterns:
        yield "pattern", pattern
    for template in (None, [], "x", {}, {**TEMPLATE, "code": "MINE"}, {**TEMPLATE, "x": 1}):
        yield "template", template
    yield "x", 1


@pytest.mark.parametrize(("field", "value"), list(wrong_batches()))
def test_a_wrong_batch_is_refused(field, value):
    body = {"count": 3, "template": TEMPLATE, field: value}

    assert list(wrong_fields(NewBatch(), body)) == [field]


@pytest.mark.parametrize("missing", ["count", "template"])
def test_a_batch_has_a_count_and_a_template(missing):
    body = {"count": 3, "template": TEMPLATE}
    del body[missing]

    assert list(wrong_fields(NewBatch(), body)) == [missing]
