"""What the API description says of discounts. Examples are of the demo data."""

from ..core import errors
from ..web.operations import Described, Operations
from .refusals import (
    LEFT_OUT,
    WHY_NOT,
    BatchNotDone,
    BatchNotFound,
    BelongsToPurchase,
    CodeTaken,
    CouponNotFound,
    DeliveryNotFound,
    DoesNotFit,
    MaxUsageTooLow,
    OrderAlreadyRedeemed,
    RedemptionNotFound,
    WebhookNotFound,
)

_COUPON = {"coupon_id": "019aa6f0-0000-7000-8000-0000000000d1"}
_REDEMPTION = {"redemption_id": "019aa6f0-0000-7000-8000-0000000000d2"}
_BATCH = {"batch_id": "019aa6f0-0000-7000-8000-0000000000d3"}
_WEBHOOK = {"webhook_id": "019aa6f0-0000-7000-8000-0000000000d4"}
_DELIVERY = {**_WEBHOOK, "delivery_id": "019aa6f0-0000-7000-8000-0000000000d5"}

_COUPON_OF_YOURS = "the id of a coupon that is there, such as `list_coupons` gives"
_REDEMPTION_OF_YOURS = "the id of a redemption that is there, such as `redeem_coupon` gives"
_BATCH_OF_YOURS = "the id of a batch that is there, such as `generate_codes` gives"
_WEBHOOK_OF_YOURS = "the id of a webhook that is there, such as `create_webhook` gives"
_DELIVERY_OF_YOURS = "the id of a delivery that is there, such as `list_deliveries` gives"

_PAGE = {"page": 1, "limit": 10}
_CART: dict[str, object] = {
    "cartTotal": 60,
    "items": [{"productId": "kettle-1", "category": "kettles", "quantity": 2, "unitPrice": 30}],
}
_ONE = {"code": "OVER50", **_CART}
_SEVERAL = {"codes": ["OVER50", "FIRST-100"], **_CART}
_TERMS = {"type": "percentage", "discount": 10, "couponFor": "product"}
# What one code alone is refused for.
_DECIDING: tuple[type[errors.DomainError], ...] = (CouponNotFound, *WHY_NOT)
# Without a cart it is not asked whether it fits.
_COUNTING = tuple(kind for kind in _DECIDING if not issubclass(kind, DoesNotFit))

DISCOUNTS: Operations = {
    "create_coupon": Described(refuses=(CodeTaken,), body={"code": "TEA-2030", **_TERMS}),
    "list_coupons": Described(query={**_PAGE, "sortBy": "createdAt:desc,code"}),
    "read_coupon": Described(refuses=(CouponNotFound,), path=_COUPON, needs=_COUPON_OF_YOURS),
    "read_by_code": Described(
        "read_coupon_by_code", refuses=(CouponNotFound,), path={"code": "OVER50"}
    ),
    "change_coupon": Described(
        refuses=(CouponNotFound, CodeTaken, MaxUsageTooLow),
        more="Lists, `limits` and `schedule` are replaced as a whole.",
        path=_COUPON,
        body={"description": "For everybody", "maxUsage": 500},
        needs=_COUPON_OF_YOURS,
    ),
    "delete_coupon": Described(refuses=(CouponNotFound,), path=_COUPON, needs=_COUPON_OF_YOURS),
    "list_for_product": Described("list_coupons_for_product", path={"product": "tea-1"}),
    "validate": Described("validate_coupon", refuses=_DECIDING, body=_ONE),
    "apply": Described("apply_coupon", refuses=_DECIDING, body=_ONE),
    "apply_all": Described("apply_coupons", body=_SEVERAL),
    "best": Described(
        "find_best_coupons",
        more="Without `codes`, of all public coupons.",
        body=_SEVERAL,
    ),
    "increment_usage": Described(
        "increment_coupon_usage", refuses=_COUNTING, body={"code": "OVER50"}
    ),
    "redeem": Described(
        "redeem_coupon",
        refuses=(*_DECIDING, *LEFT_OUT.values(), OrderAlreadyRedeemed),
        more="An order is redeemed once: asked again, the answer is the same.",
        body={**_ONE, "orderId": "order-1001"},
    ),
    "list_redemptions": Described(query={**_PAGE, "code": "OVER50"}),
    "read_redemption": Described(
        refuses=(RedemptionNotFound,), path=_REDEMPTION, needs=_REDEMPTION_OF_YOURS
    ),
    "explain": Described(
        "explain_redemption",
        refuses=(RedemptionNotFound,),
        path=_REDEMPTION,
        needs=_REDEMPTION_OF_YOURS,
    ),
    "roll_back": Described(
        "roll_back_redemption",
        refuses=(RedemptionNotFound, BelongsToPurchase),
        path=_REDEMPTION,
        body={"reason": "The order was cancelled"},
        needs=_REDEMPTION_OF_YOURS,
    ),
}

BULK: Operations = {
    "generate_codes": Described(body={"count": 10, "pattern": "TEA-######", "template": _TERMS}),
    "read_batch": Described(refuses=(BatchNotFound,), path=_BATCH, needs=_BATCH_OF_YOURS),
    "download_codes": Described(
        refuses=(BatchNotFound, BatchNotDone), path=_BATCH, needs=_BATCH_OF_YOURS
    ),
    "import_coupons": Described(
        body="code,type,discount,couponFor\r\nTEA-2031,percentage,10,product\r\n"
    ),
}

WEBHOOKS: Operations = {
    "create_webhook": Described(
        body={"url": "https://1.1.1.1/hook", "events": ["redemption.created"]},
    ),
    "list_webhooks": Described(query=_PAGE),
    "read_webhook": Described(refuses=(WebhookNotFound,), path=_WEBHOOK, needs=_WEBHOOK_OF_YOURS),
    "delete_webhook": Described(refuses=(WebhookNotFound,), path=_WEBHOOK, needs=_WEBHOOK_OF_YOURS),
    "list_deliveries": Described(
        "list_webhook_deliveries",
        refuses=(WebhookNotFound,),
        path=_WEBHOOK,
        query=_PAGE,
        needs=_WEBHOOK_OF_YOURS,
    ),
    "resend_delivery": Described(
        "resend_webhook_delivery",
        refuses=(DeliveryNotFound, WebhookNotFound),
        path=_DELIVERY,
        needs=_DELIVERY_OF_YOURS,
    ),
}
