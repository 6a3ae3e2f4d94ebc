"""What the analytics contract takes and answers."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from ..core import money
from ..models import VoucherStatus
from ..web.body import BoundedSchema, QueryWhole
from .figures.measures import Kind
from .statements import BEST


class DaysQuery(BoundedSchema):
    days = QueryWhole(
        1,
        366,
        load_default=30,
        metadata={"description": "So many days in UTC, of which today is the last."},
    )


class Amounts(ma.fields.Field[Mapping[str, Any]]):
    """Amounts by currency, as JSON numbers."""

    def __init__(self, description: str) -> None:
        shape = {
            "x-component": "AmountsByCurrency",
            "type": "object",
            "additionalProperties": {"$ref": "#/components/schemas/Amount"},
            "example": {"USD": 12.5},
            "description": description,
        }
        super().__init__(required=True, metadata=shape)

    def _serialize(
        self, value: Mapping[str, Any] | None, attr: str | None, obj: Any, **kwargs: Any
    ) -> dict[str, Any]:
        return {currency: money.number(amount) for currency, amount in (value or {}).items()}


def _count(description: str = "") -> ma.fields.Integer:
    return ma.fields.Integer(
        required=True, metadata={"description": description} if description else {}
    )


class UserFiguresSchema(ma.Schema):
    total = _count()
    new = _count("Registered in these days.")


class CouponFiguresSchema(ma.Schema):
    expired = _count("In these days.")
    expiring = _count("In as many days to come.")
    deactivated = _count("As they are now, whenever that was.")


VoucherStatusesSchema = ma.Schema.from_dict(
    {status.value: _count() for status in VoucherStatus}, name="VoucherStatusesSchema"
)


class VoucherFiguresSchema(ma.Schema):
    by_status = ma.fields.Nested(
        VoucherStatusesSchema(),
        required=True,
        metadata={"description": "Of all vouchers, as they are now."},
    )
    issued = _count("Bought in these days.")
    used = _count("Uses in these days.")


RedemptionFiguresSchema = ma.Schema.from_dict(
    {"total": _count(), **{kind: _count() for kind in Kind}}, name="RedemptionFiguresSchema"
)


class ConversionSchema(ma.Schema):
    issued = _count(
        "Vouchers and, for the platform, e-mail coupons that were issued in these days."
    )
    redeemed = _count("Those of them that have been redeemed at all.")
    rate = ma.fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "0 to 1; null where nothing was issued."},
    )


class OfferSchema(ma.Schema):
    kind = ma.fields.String(required=True)
    id = ma.fields.String(
        required=True,
        metadata={
            "description": (
                "Of the coupon, promo, batch of codes or voucher type; the website of e-mail"
                " coupons."
            )
        },
    )
    name = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "null where it is gone."}
    )
    redemptions = _count()


class PopularTypeSchema(ma.Schema):
    kind = ma.fields.String(required=True)
    type = ma.fields.String(
        required=True,
        metadata={
            "description": "percentage or fixed, COMMON or UNIQUE, or the voucher type's name."
        },
    )
    redemptions = _count()


class DayFiguresSchema(ma.Schema):
    date = ma.fields.Date(required=True)
    issued = _count()
    redeemed = _count()
    revenue = Amounts("Of vouchers that were sold on this day.")


class DashboardSchema(ma.Schema):
    """What was rolled back, cancelled or refunded counts no more: it lowers its day."""

    scope = ma.fields.String(required=True, metadata={"enum": ["platform", "user"]})
    days = _count()
    since = ma.fields.Date(required=True)
    until = ma.fields.Date(required=True)
    users = ma.fields.Nested(
        UserFiguresSchema(),
        required=True,
        allow_none=True,
        metadata={"description": "null for a user."},
    )
    coupons = ma.fields.Nested(
        CouponFiguresSchema(),
        required=True,
        allow_none=True,
        metadata={"description": "Credit coupons, promos and discount codes; null for a user."},
    )
    vouchers = ma.fields.Nested(VoucherFiguresSchema(), required=True)
    redemptions = ma.fields.Nested(
        RedemptionFiguresSchema(),
        required=True,
        metadata={"description": "`email`: of codes that were given for an address."},
    )
    revenue = Amounts(
        "What vouchers were sold for, by card or with credit, less refunds."
        " A top-up of credit is none until it is spent."
    )
    credit_spent = _count("Credits spent on credit coupons.")
    discount_given = Amounts("By discount codes and e-mail coupons.")
    conversion = ma.fields.Nested(ConversionSchema(), required=True)
    top_offers = ma.fields.List(
        ma.fields.Nested(OfferSchema()), required=True, metadata={"maxItems": BEST}
    )
    popular_types = ma.fields.List(
        ma.fields.Nested(PopularTypeSchema()), required=True, metadata={"maxItems": BEST}
    )
    series = ma.fields.List(
        ma.fields.Nested(DayFiguresSchema()),
        required=True,
        metadata={"description": "Every day, the oldest first."},
    )
