"""What was redeemed, and what was rolled back of it."""

import marshmallow as ma

from ...web.body import BoundedList, BoundedSchema, Moment, NumberField, Text, Truth, Whole
from ..coupon_limits import EVERYTHING, Restore
from .carts import CodeAmountSchema, Totals
from .fields import MOST_ITEMS, AnyCode, PageQuery, PageSchema, ShopId, Wire, all_different, nothing


class RedemptionsQuery(PageQuery, Wire):
    code = AnyCode()
    order_id = ShopId()
    customer_id = ShopId()


class RedeemedSchema(Totals):
    redemption_id = ma.fields.UUID(required=True)
    codes = ma.fields.List(ma.fields.Nested(CodeAmountSchema()), required=True)


class RestoreSchema(BoundedSchema):
    use = Truth(load_default=True)
    customer = Truth(load_default=True)
    budget = Truth(load_default=True)

    @ma.post_load
    def as_restore(self, restore: dict[str, bool], **_: object) -> Restore:
        return Restore(**restore)


class Rollback(BoundedSchema):
    reason = Text(1, 500, required=True)
    restore = ma.fields.Nested(RestoreSchema(), load_default=EVERYTHING)
    lines = BoundedList(
        Whole(0, MOST_ITEMS - 1), 1, MOST_ITEMS, rules=[all_different], load_default=nothing
    )


class RestoredSchema(ma.Schema):
    use = ma.fields.Boolean(required=True)
    customer = ma.fields.Boolean(required=True)
    budget = ma.fields.Boolean(required=True)


class RolledBackSchema(Wire):
    redemption_id = ma.fields.UUID(required=True)
    status = ma.fields.String(
        required=True, metadata={"enum": ["rolled_back", "partly_rolled_back"]}
    )
    reason = ma.fields.String(required=True)
    lines = ma.fields.List(
        ma.fields.Integer(),
        required=True,
        allow_none=True,
        metadata={"description": "The positions taken back by this; null for all."},
    )
    restore = ma.fields.Nested(RestoredSchema(), required=True)
    discount_amount = NumberField(
        required=True, metadata={"description": "The discount that was taken back by this."}
    )
    rolled_back_at = ma.fields.String(required=True, metadata={"format": "date-time"})


class RedeemedCodeSchema(CodeAmountSchema):
    coupon_id = ma.fields.UUID(required=True)


class RedemptionSchema(Wire):
    redemption_id = ma.fields.UUID(required=True)
    order_id = ma.fields.String(required=True)
    customer_id = ma.fields.String(required=True, allow_none=True)
    codes = ma.fields.List(ma.fields.Nested(RedeemedCodeSchema()), required=True)
    currency = ma.fields.String(required=True)
    discount_amount = NumberField(required=True)
    original_amount = NumberField(required=True)
    final_amount = NumberField(required=True)
    status = ma.fields.String(
        required=True, metadata={"enum": ["redeemed", "partly_rolled_back", "rolled_back"]}
    )
    redeemed_at = Moment(required=True)
    rolled_back_at = Moment(required=True, allow_none=True)
    rollbacks = ma.fields.List(ma.fields.Nested(RolledBackSchema()), required=True)


class RedemptionPageSchema(PageSchema):
    results = ma.fields.List(ma.fields.Nested(RedemptionSchema()), attribute="items", required=True)


class OrderOfEventSchema(Wire):
    """Whose redemption a webhook is told of."""

    order_id = ma.fields.String(required=True)
    customer_id = ma.fields.String(required=True, allow_none=True)
