"""How the voucher contract tells its clients what is wrong."""

from typing import Any

from ..web.contract import Problem

# Token, role and rate errors have a body of their own here.
_DETAIL = {401, 403, 429}


def render_error(problem: Problem) -> dict[str, Any]:
    if problem.fields:
        return {**problem.fields, "error_code": problem.error_code}
    return {"detail" if problem.status in _DETAIL else "error": problem.message, "error_code": problem.error_code}
