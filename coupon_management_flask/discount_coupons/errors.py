"""What the discount contract refuses, and how it tells its clients."""

from typing import Any

import marshmallow as ma

from ..core import errors
from ..web.contract import Problem
from .wording import REFUSALS


class BatchNotFound(errors.NotFound):
    name = "batch_not_found"


class BatchNotDone(errors.Conflict):
    name = "batch_not_done"


class CodeTaken(errors.Refused):
    name = "coupon_code_taken"


class MaxUsageTooLow(errors.Refused):
    name = "max_usage_too_low"


MESSAGES = {
    **REFUSALS,
    "redemption_not_found": "Redemption not found",
    "batch_not_found": "Batch not found",
    "batch_not_done": "The batch is not done yet",
    "coupon_code_taken": "Coupon code already taken",
    "max_usage_too_low": "maxUsage is below the number of uses so far",
    "order_already_redeemed": "This order was redeemed already, with other codes or another cart",
}


def sentence(error: errors.DomainError) -> str:
    """What a refusal is called for people."""
    return MESSAGES[error.name].format(**error.facts)


class DiscountErrorSchema(ma.Schema):
    code = ma.fields.Integer(required=True)
    message = ma.fields.String(required=True)
    error_code = ma.fields.String(required=True)


def render_error(problem: Problem) -> dict[str, Any]:
    return {"code": problem.status, "message": problem.sentence(), "error_code": problem.error_code}
