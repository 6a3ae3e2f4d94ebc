"""What the API description says of `/v1/coupons` and `/v1/user`. Examples are of the demo data."""

from ..core import errors
from ..identity.accounts import EmailTaken, UsernameTaken
from ..web.operations import Described, Operations
from .errors import (
    CouponAlreadyUsed,
    CouponExhausted,
    CouponExpired,
    CouponInactive,
    CouponNotFound,
    HiddenCodeTaken,
    UserNotFound,
    WrongHiddenCode,
)

_ID = "019aa6f0-0000-7000-8000-0000000000c1"
_COUPON_OF_YOURS = "the id of a coupon that is there, such as `list_credit_coupons` gives"
_USER_OF_YOURS = "the id of a user that is there, such as `list_users` gives"
_PAGE = {"page": 1, "per_page": 10}

_USING = (
    CouponInactive,
    CouponExpired,
    CouponExhausted,
    CouponAlreadyUsed,
    errors.InsufficientCredit,
)

COUPONS: Operations = {
    "list_coupons": Described(
        "list_credit_coupons",
        refuses=(errors.Forbidden,),
        query={**_PAGE, "all": False},
    ),
    "create_coupon": Described(
        "create_credit_coupon",
        refuses=(HiddenCodeTaken,),
        more="Without `hidden_code` one is generated.",
        body={
            "name": "A cup of coffee",
            "value": 5,
            "number_left": 100,
            "expiration_date": "2999-12-31T23:59:59Z",
        },
    ),
    "list_uses": Described("list_credit_coupon_uses", query=_PAGE),
    "look_up_coupon": Described(
        "look_up_credit_coupon",
        refuses=(CouponNotFound,),
        more="The path names it by its hidden code.",
        path={"hidden_code": "ABC"},
    ),
    "use_coupon_by_code": Described(
        "use_credit_coupon_by_code",
        refuses=(CouponNotFound, *_USING),
        more="It costs the coupon's value in credit. Each user can use a coupon once.",
        path={"hidden_code": "ABC"},
    ),
    "use_chosen_coupon": Described(
        "use_credit_coupon",
        refuses=(CouponNotFound, WrongHiddenCode, *_USING),
        more="It costs the coupon's value in credit. Each user can use a coupon once.",
        path={"coupon_id": _ID},
        body={"hidden_code": "ABC"},
        needs=_COUPON_OF_YOURS,
    ),
    "change_coupon": Described(
        "change_credit_coupon",
        refuses=(CouponNotFound, HiddenCodeTaken),
        more="The path names it by its id.",
        path={"coupon_id": _ID},
        body={"number_left": 50, "active": True},
        needs=_COUPON_OF_YOURS,
    ),
    "deactivate_coupon": Described(
        "deactivate_credit_coupon",
        refuses=(CouponNotFound,),
        more="The path names it by its id.",
        path={"coupon_id": _ID},
        needs=_COUPON_OF_YOURS,
    ),
}

USERS: Operations = {
    "list_users": Described(query=_PAGE),
    "create_user": Described(
        refuses=(UsernameTaken, EmailTaken),
        body={"username": "grace", "password": "tea-at-four", "name": "Grace", "credit": 100},
    ),
    "read_user": Described(
        refuses=(UserNotFound, errors.Forbidden),
        path={"user_id": _ID},
        needs=_USER_OF_YOURS,
    ),
    "read_ledger": Described(
        refuses=(UserNotFound, errors.Forbidden),
        path={"user_id": _ID},
        query=_PAGE,
        needs=_USER_OF_YOURS,
    ),
    "change_credit": Described(
        refuses=(UserNotFound, errors.InsufficientCredit),
        more="An amount above 0 is granted, one below 0 is taken.",
        path={"user_id": _ID},
        body={"amount": 25, "reason": "A gift"},
        needs=_USER_OF_YOURS,
    ),
}
