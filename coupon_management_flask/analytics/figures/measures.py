"""What is measured, and of what."""

from enum import StrEnum


class Measure(StrEnum):
    REDEEMED = "redeemed"
    # The same by offer: a promo, credit coupon, discount coupon, batch of codes or type of
    # vouchers by its id, or a website.
    OF_OFFER = "redeemed_of_offer"
    # Handed to somebody: vouchers and e-mail coupons.
    ISSUED = "issued"
    # Of those issued on a day, the ones that have been redeemed at all since.
    CONVERTED = "converted"
    SOLD = "sold"
    REGISTERED = "registered"
    # Vouchers by the day on which they expire: those that are not cancelled, those of them that
    # are used up, and those that are cancelled.
    EXPIRING = "expiring"
    USED_UP = "used_up"
    CANCELLED = "cancelled"
    # Not summed up but counted now and then: credit coupons, promos and discount coupons by the
    # day on which they end, and those that are switched off.
    ENDING = "ending"
    SWITCHED_OFF = "switched_off"


class Kind(StrEnum):
    """What was redeemed or issued. Redemptions know e-mail coupons as discounts."""

    CREDIT = "credit"
    PROMO = "promo"
    DISCOUNT = "discount"
    EMAIL = "email"
    VOUCHER = "voucher"


# The columns of a figure. What a measure does not tell apart is empty.
KEY = ("measure", "day", "kind", "label", "currency")
COLUMNS = (*KEY, "number", "amount")

# The label of offers that are not told apart.
OTHER_OFFERS = ""
