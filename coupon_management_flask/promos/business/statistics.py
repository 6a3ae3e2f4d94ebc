"""How a company's promo does."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from ...db.session import db
from ...models import PromoCountryCount
from . import own_promos


@dataclass(frozen=True, slots=True)
class CountryCount:
    country: str
    activations_count: int


@dataclass(frozen=True, slots=True)
class Statistics:
    activations_count: int
    countries: list[CountryCount]


def statistics(company_id: UUID, promo_id: UUID) -> Statistics:
    """Return how often a promo was activated, and from which countries, in alphabetical order.

    Raises: PromoNotFound, NotYourPromo.
    """
    promo = own_promos.find(company_id, promo_id)
    countries = db.session.execute(
        sa.select(PromoCountryCount.country, PromoCountryCount.activations)
        .where(PromoCountryCount.promo_id == promo_id)
        .order_by(PromoCountryCount.country)
    )
    return Statistics(promo.claimed, [CountryCount(*row) for row in countries])
