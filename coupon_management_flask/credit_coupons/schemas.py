"""The shapes of the credit-coupon contract."""

from typing import Any

import marshmallow as ma

from ..identity import accounts, passwords
from ..web.body import BoundedSchema, EmailAddress, Moment, QueryTruth, Text, Truth, Whole
from ..web.pagination import PageQuery
from ..web.typed import AskedCode, Name, NewCode, NewPassword
from .envelope import enveloped

LONGEST_CODE = 64
# GET /v1/coupons/mine is another call. Nobody could look at a coupon with that code.
_RESERVED_CODES = {"mine", ".", ".."}


def _fits_in_a_path(code: str) -> None:
    """Check that a hidden code can stand in a path as one segment.

    People type it there. A coupon whose code can't stand there could never be used.
    """
    if "/" in code or not code.isprintable() or code.casefold() in _RESERVED_CODES:
        raise ma.ValidationError(
            "A hidden code is printable, holds no slash, and is none of: mine, ., .."
        )


class _CouponInput(BoundedSchema):
    name = Text(longest=200)
    value = Whole(0)
    hidden_code = NewCode(longest=LONGEST_CODE, rules=[_fits_in_a_path])
    number_left = Whole(0)
    expiration_date = Moment()
    active = Truth(attribute="is_active")


class NewCoupon(_CouponInput):
    name = Text(longest=200, required=True)
    value = Whole(0, required=True)
    number_left = Whole(0, required=True)
    expiration_date = Moment(required=True)
    active = Truth(load_default=True, attribute="is_active")


class CouponChanges(_CouponInput):
    pass


class HiddenCode(BoundedSchema):
    hidden_code = AskedCode(LONGEST_CODE, required=True)


class CouponsQuery(PageQuery):
    all = QueryTruth(load_default=False, attribute="with_unusable")


class NewUser(BoundedSchema):
    username = Text(longest=accounts.LONGEST_USERNAME, required=True)
    password = NewPassword(passwords.SHORTEST, passwords.LONGEST, required=True)
    name = Name(longest=100, required=True)
    email = EmailAddress()
    credit = Whole(0, load_default=0)


def _not_zero(amount: int) -> None:
    if amount == 0:
        raise ma.ValidationError("It must not be 0.")


class CreditChange(BoundedSchema):
    amount = Whole(-1_000_000_000, required=True, rules=[_not_zero], metadata={"not": {"const": 0}})
    reason = Text(longest=200, required=True)


class CouponSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    value = ma.fields.Integer(required=True)
    number_left = ma.fields.Integer(required=True)
    expiration_date = Moment(required=True)
    active = ma.fields.Boolean(required=True, attribute="is_active")
    hidden_code = ma.fields.String(
        metadata={"description": "Shown to administrators, and to whoever asked by it."}
    )


class CouponRedemptionSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    coupon = ma.fields.Nested(CouponSchema(), required=True)
    credit_spent = ma.fields.Integer(required=True)
    redeemed_at = Moment(required=True)


class UserSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    username = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    credit = ma.fields.Integer(required=True)


class LedgerEntrySchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    amount = ma.fields.Integer(required=True)
    balance_after = ma.fields.Integer(required=True)
    reason = ma.fields.String(required=True)
    reference = ma.fields.UUID(allow_none=True, required=True)
    created_at = Moment(required=True)


class PageMetaSchema(ma.Schema):
    page = ma.fields.Integer(attribute="number", required=True)
    pages = ma.fields.Integer(required=True)
    total_count = ma.fields.Integer(attribute="total", required=True)
    prev_page = ma.fields.Integer(allow_none=True, required=True)
    next_page = ma.fields.Integer(allow_none=True, required=True)
    has_next = ma.fields.Boolean(required=True)
    has_prev = ma.fields.Boolean(required=True)


def _one(schema: ma.Schema) -> Any:
    return ma.fields.Nested(schema, required=True)


def _many(schema: ma.Schema) -> Any:
    return ma.fields.List(ma.fields.Nested(schema), required=True)


_meta = _one(PageMetaSchema())

COUPON = enveloped("CreditCouponAnswer", coupons=_one(CouponSchema()))
COUPON_CREATED = enveloped("CreditCouponCreated", 201, coupons=_one(CouponSchema()))
COUPONS = enveloped("CreditCouponsAnswer", coupons=_many(CouponSchema()), meta=_meta)
USE = enveloped(
    "CreditCouponUseAnswer",
    redemption=_one(CouponRedemptionSchema()),
    credit=ma.fields.Integer(required=True),
)
USES = enveloped("CreditCouponUsesAnswer", redemptions=_many(CouponRedemptionSchema()), meta=_meta)
USER = enveloped("CreditUserAnswer", user=_one(UserSchema()))
USER_CREATED = enveloped("CreditUserCreated", 201, user=_one(UserSchema()))
USERS = enveloped("CreditUsersAnswer", users=_many(UserSchema()), meta=_meta)
LEDGER = enveloped("CreditLedgerAnswer", entries=_many(LedgerEntrySchema()), meta=_meta)
CREDIT_CHANGED = enveloped(
    "CreditChangedAnswer", user=_one(UserSchema()), entry=_one(LedgerEntrySchema())
)
