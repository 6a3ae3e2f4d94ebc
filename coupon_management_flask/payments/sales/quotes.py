"""Quotes: what vouchers cost at a moment, with or without a discount code."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from ...core import errors, money
from ...db.session import db
from ...discount_coupons.pricing import Item
from ...discount_coupons.refusals import CouponNotFound
from ...discount_coupons.rules import Decision
from ...identity import failed_attempts
from ...models import VoucherType
from ...text import codes
from . import discounts


@dataclass(frozen=True, slots=True)
class Quote:
    """What so many vouchers of a type cost at one moment, in minor units of `currency`."""

    voucher_type_id: UUID
    quantity: int
    unit_price: int
    currency: str
    applied: Decision | None

    @property
    def discount(self) -> int:
        if self.applied is None:
            return 0
        return money.to_minor(self.applied.combined.discount, self.currency)

    @property
    def total(self) -> int:
        return self.unit_price * self.quantity - self.discount


def quote(
    buyer_id: UUID,
    voucher_type_id: UUID,
    quantity: int,
    discount_code: str | None,
    attempt_limits: failed_attempts.Limits,
    *,
    currency: str | None = None,
    beside: Collection[UUID] = (),
) -> Quote:
    """Return the price as it is now; takes nothing.

    With `currency`, the type must be sold in it. What the discounts `beside` it hold does not stand
    against the code.

    Raises: Invalid for a type that can't be bought; FieldRefused on `discount_code` for a code that
    can't be used, where an unknown one counts as a failed attempt; RateLimited.
    """
    on_sale = db.session.execute(
        sa.select(VoucherType.price, VoucherType.currency, VoucherType.service_type).where(
            VoucherType.id == voucher_type_id, VoucherType.is_active
        )
    ).one_or_none()
    if on_sale is None:
        raise errors.Invalid({"voucher_type_id": ["There is no such voucher type on sale."]})
    price, sold_in, service_type = on_sale
    if currency not in (None, sold_in):
        sentence = f"It is sold in {sold_in}, and credit is worth {currency}: pay by card."
        raise errors.Invalid({"voucher_type_id": [sentence]})
    applied: Decision | None = None
    if discount_code is not None:
        item = Item(str(voucher_type_id), quantity, money.from_minor(price, sold_in), service_type)
        try:
            applied = discounts.decide(
                buyer_id,
                codes.discount(discount_code),
                item,
                sold_in,
                attempt_limits,
                beside=beside,
            )
        except (errors.Refused, CouponNotFound) as refusal:
            raise errors.FieldRefused("discount_code", refusal) from refusal
    return Quote(voucher_type_id, quantity, price, sold_in, applied)
