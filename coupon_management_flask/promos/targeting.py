"""Whether a promo is open on a day, and whether it is meant for a user."""

from datetime import date
from typing import Protocol


class Audience(Protocol):
    """Whom a promo is meant for. A country key is compared without case; "" means any country."""

    @property
    def age_from(self) -> int | None: ...
    @property
    def age_until(self) -> int | None: ...
    @property
    def country_key(self) -> str: ...


class Window(Protocol):
    """The days on which a promo can be activated."""

    @property
    def active_from(self) -> date | None: ...
    @property
    def active_until(self) -> date | None: ...


class LimitedWindow(Window, Protocol):
    """A window of days, and a stock."""

    @property
    def claimed(self) -> int: ...
    @property
    def capacity(self) -> int: ...


def fits(audience: Audience, *, age: int | None, country: str | None) -> bool:
    """Return whether somebody of this age and country belongs to the audience.

    The bounds of ages are included. A rule that is not set fits everybody.
    Somebody whose age or country is unknown fits no rule about it.
    """
    if audience.age_from is not None and (age is None or age < audience.age_from):
        return False
    if audience.age_until is not None and (age is None or age > audience.age_until):
        return False
    return audience.country_key == "" or (
        country is not None and country.casefold() == audience.country_key
    )


def is_open(window: Window, day: date) -> bool:
    """Return whether the day lies in the window, both ends included."""
    return (window.active_from is None or window.active_from <= day) and (
        window.active_until is None or day <= window.active_until
    )


def is_active(promo: LimitedWindow, today: date) -> bool:
    """Return whether the promo is open today and has something left."""
    return is_open(promo, today) and promo.claimed < promo.capacity
