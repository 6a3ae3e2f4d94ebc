"""How the discount contract tells its clients of a refusal."""

import marshmallow as ma

from ..web.contract import Problem
from .wording import MESSAGES

__all__ = ["MESSAGES", "DiscountErrorSchema", "render_error"]


class DiscountErrorSchema(ma.Schema):
    code = ma.fields.Integer(required=True)
    message = ma.fields.String(required=True)
    error_code = ma.fields.String(required=True)


def render_error(problem: Problem) -> dict[str, object]:
    return {
        "code": problem.status,
        "message": problem.sentence(),
        "error_code": problem.error_code,
    }
