"""How the e-mail contract tells its clients what is wrong."""

import marshmallow as ma

from ..web.contract import Problem


def _messages() -> ma.fields.List[str]:
    return ma.fields.List(ma.fields.String())


class EmailCouponErrorSchema(ma.Schema):
    """`detail`, or a list of messages for each field that is wrong."""

    class Meta:
        # An unknown field has its messages too.
        unknown = ma.INCLUDE

    error_code = ma.fields.String(required=True)
    detail = ma.fields.String()
    body = _messages()
    email = _messages()
    website = _messages()
    page = _messages()
    page_size = _messages()


def render_error(problem: Problem) -> dict[str, object]:
    if problem.fields:
        return {**problem.fields, "error_code": problem.error_code}
    return {"detail": problem.message, "error_code": problem.error_code}
