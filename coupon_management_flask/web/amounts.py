"""Amounts of money: decimal inside, JSON numbers outside."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import marshmallow as ma

from ..core.money import number
from ..models import AMOUNT_DECIMALS

# In a currency's major unit. Larger ones would lose their cents as JSON numbers.
LARGEST_AMOUNT = Decimal(1_000_000_000_000)


class AmountField(ma.fields.Field[Decimal]):
    """An amount, never negative. Comes in as number or string, goes out as number."""

    default_error_messages = {
        "invalid": "Not a valid amount: a number, or a string of decimals.",
        "large": f"It must be between 0 and {LARGEST_AMOUNT}.",
        "fine": f"It must have at most {AMOUNT_DECIMALS} decimals.",
    }
    _DECIMALS = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)
    _DOCUMENTED = {
        "x-component": "AmountInput",
        "type": ["number", "string"],
        "minimum": 0,
        "maximum": int(LARGEST_AMOUNT),
        "pattern": r"^\d{1,13}(\.\d{1,4})?$",
    }

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(metadata={**self._DOCUMENTED, **(metadata or {})}, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Decimal:
        if type(value) in (int, float):
            # A float's repr is what was written: the shortest text that gives this float.
            amount = Decimal(repr(value))
        elif isinstance(value, str) and self._DECIMALS.fullmatch(value):
            amount = Decimal(value)
        else:
            raise self.make_error("invalid")
        if not 0 <= amount <= LARGEST_AMOUNT:
            raise self.make_error("large")
        if amount != round(amount, AMOUNT_DECIMALS):
            raise self.make_error("fine")
        return abs(amount)


class NumberField(ma.fields.Field[Any]):
    """An amount, as a JSON number."""

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(
            metadata={"x-component": "Amount", "type": "number", **(metadata or {})}, **kwargs
        )

    def _serialize(
        self, value: Any, attr: str | None, obj: Any, **kwargs: Any
    ) -> int | float | None:
        return number(value)
