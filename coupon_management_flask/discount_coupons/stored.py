"""What is kept as JSON with an order: told again, it is the same."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from ..core import clock, money

Json = dict[str, Any]


def plain(value: object) -> Json:
    """Return an object as JSON has it, with amounts as numbers."""
    found: Json = orjson.loads(orjson.dumps(value, _written, orjson.OPT_PASSTHROUGH_DATETIME))
    return found


def exactly(value: object) -> Json:
    """Return an object as JSON has it, with amounts as strings of decimals."""
    found: Json = orjson.loads(orjson.dumps(value, str))
    return found


def _written(value: object) -> object:
    match value:
        case Decimal():
            return money.number(value)
        case datetime():
            return clock.rfc3339(value)
    raise TypeError(type(value).__name__)
