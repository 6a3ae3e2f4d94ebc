"""What the credit-coupon contract refuses, and in which words."""

from ..core import errors
from .envelope import render_error

__all__ = ["MESSAGES", "render_error"]


class CouponNotFound(errors.NotFound):
    name = "coupon_not_found"


class UserNotFound(errors.NotFound):
    name = "user_not_found"


class HiddenCodeTaken(errors.Conflict):
    name = "hidden_code_taken"


class WrongHiddenCode(errors.Refused):
    name = "wrong_hidden_code"


class CouponInactive(errors.Refused):
    name = "coupon_inactive"


class CouponExpired(errors.Refused):
    name = "coupon_expired"


class CouponExhausted(errors.Refused):
    name = "coupon_exhausted"


class CouponAlreadyUsed(errors.Refused):
    name = "coupon_already_used"


MESSAGES = {
    "coupon_not_found": "There is no such coupon.",
    "user_not_found": "There is no such user.",
    "hidden_code_taken": "Another coupon has this hidden code.",
    "username_taken": "Another user has this username.",
    "email_taken": "Another user has this e-mail address.",
    "wrong_hidden_code": "This is not the hidden code of that coupon.",
    "coupon_inactive": "This coupon is not active.",
    "coupon_expired": "This coupon has expired.",
    "coupon_exhausted": "This coupon has no uses left.",
    "coupon_already_used": "You have used this coupon already.",
    "insufficient_credit": "Not enough credit.",
    "wrong_credentials": "Wrong username or password.",
}
