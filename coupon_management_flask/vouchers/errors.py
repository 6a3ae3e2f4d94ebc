"""What the voucher contract refuses, and how it tells its clients what is wrong."""

from ..core import errors
from ..discount_coupons.wording import REFUSALS
from ..web.contract import Problem


class VoucherNotFound(errors.NotFound):
    name = "voucher_not_found"


class VoucherTypeNotFound(errors.NotFound):
    name = "voucher_type_not_found"


# Why a voucher can't be redeemed, in the contract's order: the first that applies is named.


class VoucherCancelled(errors.Refused):
    name = "voucher_cancelled"


class VoucherFrozen(errors.Refused):
    name = "voucher_frozen"


class VoucherExpired(errors.Refused):
    name = "voucher_expired"


class VoucherUsedUp(errors.Refused):
    name = "voucher_used_up"


class WrongServiceType(errors.Refused):
    name = "wrong_service_type"


MESSAGES = {
    **REFUSALS,
    "voucher_not_found": "You have no voucher with this code.",
    "voucher_type_not_found": "There is no such voucher type.",
    "voucher_cancelled": "This voucher was cancelled.",
    "voucher_frozen": "The payment of this voucher is disputed.",
    "voucher_expired": "This voucher has expired.",
    "voucher_used_up": "This voucher has no uses left.",
    "wrong_service_type": "This voucher is for another service.",
    "insufficient_credit": "Not enough credit.",
}

STATUSES: dict[type[errors.DomainError], int] = {errors.InsufficientCredit: 402}

# Errors of tokens, roles and rates say `detail` where the others say `error`.
_DETAIL = {401, 403, 429}


def render_error(problem: Problem) -> dict[str, object]:
    told = {"error_code": problem.error_code, "message": problem.sentence()}
    if problem.fields:
        return {**problem.fields, **told}
    return {"detail" if problem.status in _DETAIL else "error": problem.message, **told}
