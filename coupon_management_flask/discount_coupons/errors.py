"""How the discount contract tells its clients what is wrong."""

from typing import Any

from ..web.contract import Problem


def render_error(problem: Problem) -> dict[str, Any]:
    return {"code": problem.status, "message": problem.sentence(), "error_code": problem.error_code}
