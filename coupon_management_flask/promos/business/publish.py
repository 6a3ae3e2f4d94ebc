"""A company publishes a promo."""

from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ...core import clock, stock
from ...db.dialects import table
from ...db.session import db, transaction
from ...models import Promo, PromoCounter, PromoMode, PromoValue, new_id
from .. import targeting
from ..feed import days, entries
from . import counts
from .terms import Terms


@dataclass(frozen=True, slots=True)
class Publication:
    """A new promo. COMMON gives one value `max_count` times, UNIQUE each of its values once."""

    terms: Terms
    mode: PromoMode
    promo_common: str | None = None
    promo_unique: list[str] | None = None

    @property
    def capacity(self) -> int:
        if self.mode == PromoMode.COMMON:
            return self.terms.max_count
        return len(self.promo_unique or [])


def publish(company_id: UUID, new: Publication, *, timezone: ZoneInfo) -> UUID:
    """Publish a promo and return its id.

    Raises: Invalid where its terms contradict each other.
    """
    terms = new.terms
    terms.check(new.mode)
    today = days.today(timezone)
    days.turn_to(today, timezone.key)
    promo_id = new_id()
    with transaction():
        is_active = targeting.is_open(terms, days.held_day(today)) and new.capacity > 0
        db.session.execute(
            sa.insert(table(Promo)).values(
                id=promo_id,
                company_id=company_id,
                mode=new.mode,
                promo_common=new.promo_common,
                stock_id=stock.create(new.capacity),
                version=1,
                is_active=is_active,
                created_at=clock.now(),
                **terms.columns(),
            )
        )
        db.session.execute(
            sa.insert(table(PromoCounter)).values(promo_id=promo_id, likes=0, comments=0)
        )
        if new.promo_unique:
            values = [
                {"promo_id": promo_id, "position": position, "value": value}
                for position, value in enumerate(new.promo_unique)
            ]
            db.session.execute(sa.insert(table(PromoValue)), values)
        counts.add_promo(company_id, terms.country_key)
        entries.enter(promo_id, terms.audience, is_active=is_active)
    return promo_id
