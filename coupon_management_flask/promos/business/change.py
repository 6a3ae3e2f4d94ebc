"""A company changes the terms of a promo."""

from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ...core import errors, stock
from ...db.session import db, transaction
from ...models import Promo, PromoMode
from .. import targeting
from ..errors import MaxCountTooLow
from ..feed import days, entries
from . import counts, own_promos
from .own_promos import ShownPromo
from .terms import TermsChanges


def change(
    company_id: UUID, promo_id: UUID, changes: TermsChanges, *, timezone: ZoneInfo
) -> ShownPromo:
    """Change the named terms and nothing else, and return the promo as it is then.

    Raises: PromoNotFound, NotYourPromo, Invalid where the terms would contradict each other, and
    MaxCountTooLow.
    """
    today = days.today(timezone)
    days.turn_to(today, timezone.key)
    with transaction():
        day = days.held_day(today)
        stock_id = own_promos.find(company_id, promo_id).stock_id
        # Whoever holds the stock decides about the promo: until this is committed, nobody claims
        # a unit of it and nobody else changes it.
        stock.lock([stock_id])
        before = own_promos.find(company_id, promo_id)
        terms = replace(before.terms, **changes)
        terms.check(before.mode)
        if before.mode == PromoMode.COMMON and terms.max_count != before.max_count:
            _set_capacity(stock_id, terms.max_count)
        db.session.execute(
            sa.update(Promo)
            .where(Promo.id == promo_id)
            .values(version=Promo.version + 1, **terms.columns())
            .execution_options(synchronize_session=False)
        )
        if terms.country_key != before.country_key:
            counts.move_promo(company_id, before.country_key, terms.country_key)
        after = own_promos.find(company_id, promo_id)
        if terms.audience != before.terms.audience:
            entries.leave(promo_id)
            entries.enter(promo_id, terms.audience, is_active=before.is_active)
        entries.set_state(promo_id, is_active=targeting.is_active(after, day))
        return own_promos.show([after], today)[0]


def _set_capacity(stock_id: UUID, capacity: int) -> None:
    try:
        stock.set_capacity(stock_id, capacity)
    except errors.Exhausted as error:
        raise MaxCountTooLow from error
