"""The shapes of the credit-coupon contract."""

from typing import Any

import marshmallow as ma

from ..core import passwords
from ..web.body import EmailAddress, Moment, QueryTruth, Text, Truth, Whole
from ..web.envelope import enveloped
from ..web.pagination import PageQuery

# GET /v1/coupons/mine is another call: a coupon with that code could not be looked at.
_RESERVED_CODES = {"mine", ".", ".."}


def _fits_in_a_path(code: str) -> None:
    """Hidden codes are typed into a path: what can't stand there as one segment could never be used."""
    if "/" in code or not code.isprintable() or code.casefold() in _RESERVED_CODES:
        raise ma.ValidationError("A hidden code is printable, holds no slash, and is none of: mine, ., ..")


class _CouponInput(ma.Schema):
    name = Text(longest=200)
    value = Whole(0)
    hidden_code = Text(longest=64, rules=[_fits_in_a_path])
    number_left = Whole(0)
    expiration_date = Moment(metadata={"format": "date-time"})
    active = Truth(data_key="active")


class NewCoupon(_CouponInput):
    name = Text(longest=200, required=True)
    value = Whole(0, required=True)
    number_left = Whole(0, required=True)
    expiration_date = Moment(required=True, metadata={"type": "string", "format": "date-time"})
    active = Truth(load_default=True)


class CouponChanges(_CouponInput):
    pass


class HiddenCode(ma.Schema):
    hidden_code = Text(longest=64, required=True)


class CouponsQuery(PageQuery):
    all = QueryTruth(load_default=False)


class NewUser(ma.Schema):
    username = Text(longest=150, required=True)
    password = Text(passwords.SHORTEST, passwords.LONGEST, required=True, load_only=True)
    name = Text(longest=100, required=True)
    email = EmailAddress()
    credit = Whole(0, load_default=0)


def _not_zero(amount: int) -> None:
    if amount == 0:
        raise ma.ValidationError("It must not be 0.")


class CreditChange(ma.Schema):
    amount = Whole(-1_000_000_000, required=True, rules=[_not_zero])
    reason = Text(longest=200, required=True)


class CouponSchema(ma.Schema):
    id = ma.fields.UUID()
    name = ma.fields.String()
    value = ma.fields.Integer()
    number_left = ma.fields.Integer()
    expiration_date = Moment()
    active = ma.fields.Boolean()
    hidden_code = ma.fields.String(metadata={"description": "Shown to administrators, and to whoever asked by it."})


class CouponRedemptionSchema(ma.Schema):
    id = ma.fields.UUID()
    coupon = ma.fields.Nested(CouponSchema())
    credit_spent = ma.fields.Integer()
    redeemed_at = Moment()


class UserSchema(ma.Schema):
    id = ma.fields.UUID()
    username = ma.fields.String()
    name = ma.fields.String()
    credit = ma.fields.Integer()


class LedgerEntrySchema(ma.Schema):
    id = ma.fields.UUID()
    amount = ma.fields.Integer()
    balance_after = ma.fields.Integer()
    reason = ma.fields.String()
    reference = ma.fields.UUID(allow_none=True)
    created_at = Moment()


class PageMetaSchema(ma.Schema):
    page = ma.fields.Integer(attribute="number")
    pages = ma.fields.Integer()
    total_count = ma.fields.Integer(attribute="total")
    prev_page = ma.fields.Integer(allow_none=True)
    next_page = ma.fields.Integer(allow_none=True)
    has_next = ma.fields.Boolean()
    has_prev = ma.fields.Boolean()


def _many(schema: ma.Schema) -> Any:
    return ma.fields.List(ma.fields.Nested(schema))


_meta = ma.fields.Nested(PageMetaSchema())

COUPON = enveloped("CreditCouponAnswer", coupons=ma.fields.Nested(CouponSchema()))
COUPON_CREATED = enveloped("CreditCouponCreated", 201, coupons=ma.fields.Nested(CouponSchema()))
COUPONS = enveloped("CreditCouponsAnswer", coupons=_many(CouponSchema()), meta=_meta)
USE = enveloped("CreditCouponUseAnswer", redemption=ma.fields.Nested(CouponRedemptionSchema()), credit=ma.fields.Integer())
USES = enveloped("CreditCouponUsesAnswer", redemptions=_many(CouponRedemptionSchema()), meta=_meta)
USER = enveloped("CreditUserAnswer", user=ma.fields.Nested(UserSchema()))
USER_CREATED = enveloped("CreditUserCreated", 201, user=ma.fields.Nested(UserSchema()))
USERS = enveloped("CreditUsersAnswer", users=_many(UserSchema()), meta=_meta)
LEDGER = enveloped("CreditLedgerAnswer", entries=_many(LedgerEntrySchema()), meta=_meta)
CREDIT_CHANGED = enveloped("CreditChangedAnswer", user=ma.fields.Nested(UserSchema()), entry=ma.fields.Nested(LedgerEntrySchema()))
