"""May this user activate this promo?"""

from datetime import date
from typing import Any


def fits(promo: Any, *, age: int | None, country: str | None) -> bool:
    """Whether age and country lie within the target: bounds included, a rule that is not set fits everybody, an unknown age or country fits no rule."""
    if promo.age_from is not None and (age is None or age < promo.age_from):
        return False
    if promo.age_until is not None and (age is None or age > promo.age_until):
        return False
    return promo.country_key == "" or (
        country is not None and country.casefold() == promo.country_key
    )


def is_open(promo: Any, day: date) -> bool:
    """The day lies in the window, both ends included."""
    return (promo.active_from is None or promo.active_from <= day) and (
        promo.active_until is None or day <= promo.active_until
    )


def is_active(promo: Any, today: date) -> bool:
    """Today lies in the window and something is left."""
    return is_open(promo, today) and promo.claimed < promo.capacity
