"""How lists tell how many items there are in all."""

from typing import TypeVar

from ..web.body import Headers

Item = TypeVar("Item")

TOTAL: Headers = {
    "X-Total-Count": {
        "description": "How many there are, whatever the page.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}


def with_total(items: list[Item], total: int) -> tuple[list[Item], int, dict[str, str]]:
    """Return what a view answers for a page of items."""
    return items, 200, {"X-Total-Count": str(total)}
