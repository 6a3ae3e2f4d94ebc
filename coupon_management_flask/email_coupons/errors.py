"""How the e-mail contract tells its clients what is wrong."""

from typing import Any

from ..web.contract import Problem


def render_error(problem: Problem) -> dict[str, Any]:
    if problem.fields:
        return {**problem.fields, "error_code": problem.error_code}
    return {"detail": problem.message, "error_code": problem.error_code}
