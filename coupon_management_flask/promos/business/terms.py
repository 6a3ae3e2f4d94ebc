"""What a company decides about a promo."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import TypedDict

from ...core import errors
from ...models import PromoMode
from ..feed.entries import ANY_COUNTRY, Audience


@dataclass(frozen=True, slots=True)
class Terms:
    description: str
    max_count: int
    image_url: str | None = None
    active_from: date | None = None
    active_until: date | None = None
    age_from: int | None = None
    age_until: int | None = None
    country: str | None = None
    categories: list[str] | None = None

    def check(self, mode: PromoMode) -> None:
        """Check that the terms fit together, and the mode.

        Raises: Invalid.
        """
        if (
            self.active_from is not None
            and self.active_until is not None
            and self.active_from > self.active_until
        ):
            raise errors.Invalid({"active_until": ["It must not be before active_from."]})
        if mode == PromoMode.UNIQUE and self.max_count != 1:
            raise errors.Invalid({"max_count": ["It must be 1 for a UNIQUE promo."]})

    @property
    def country_key(self) -> str:
        """The country as it is compared."""
        return ANY_COUNTRY if self.country is None else self.country.casefold()

    @property
    def audience(self) -> Audience:
        return Audience(self.country_key, self.age_from, self.age_until, self.categories)

    def columns(self) -> dict[str, object]:
        return {**asdict(self), "country_key": self.country_key}


class TermsChanges(TypedDict, total=False):
    """The terms that are to be changed; None takes a term away."""

    description: str
    max_count: int
    image_url: str | None
    active_from: date | None
    active_until: date | None
    age_from: int | None
    age_until: int | None
    country: str | None
    categories: list[str] | None
