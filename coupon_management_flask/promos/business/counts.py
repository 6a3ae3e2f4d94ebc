"""How many promos a company has for each target country. Lists take their totals from here."""

from uuid import UUID

import sqlalchemy as sa

from ...db.dialects import table, upsert
from ...db.session import db
from ...models import CompanyPromoCount


def add_promo(company_id: UUID, country_key: str) -> None:
    counts = table(CompanyPromoCount)
    insert = upsert(counts).values(company_id=company_id, country_key=country_key, promos=1)
    db.session.execute(
        insert.on_conflict_do_update(
            index_elements=["company_id", "country_key"], set_={"promos": counts.c.promos + 1}
        )
    )


def move_promo(company_id: UUID, before: str, after: str) -> None:
    """Count a promo under another country key."""
    db.session.execute(
        sa.update(CompanyPromoCount)
        .where(CompanyPromoCount.company_id == company_id, CompanyPromoCount.country_key == before)
        .values(promos=CompanyPromoCount.promos - 1)
        .execution_options(synchronize_session=False)
    )
    add_promo(company_id, after)
