"""How the promo contract tells its clients what is wrong. It is also what a path under no contract answers."""

from typing import Any

import marshmallow as ma

from ..web.contract import Problem


class PromoErrorSchema(ma.Schema):
    status = ma.fields.String(required=True, metadata={"enum": ["error"]})
    message = ma.fields.String(required=True)
    error_code = ma.fields.String(required=True)


def render_error(problem: Problem) -> dict[str, Any]:
    return {"status": "error", "message": problem.sentence(), "error_code": problem.error_code}
