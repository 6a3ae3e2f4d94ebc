"""A user likes promos. One user counts once for each."""

from uuid import UUID

import sqlalchemy as sa

from ...db.dialects import rows_changed, upsert
from ...db.session import db, transaction
from ...models import PromoLike
from . import counters


def like(account_id: UUID, promo_id: UUID) -> None:
    """Like a promo; do nothing where the user likes it already.

    Raises: PromoNotFound.
    """
    counters.check_exists(promo_id)
    with transaction():
        liked = db.session.execute(
            upsert(PromoLike)
            .values(promo_id=promo_id, account_id=account_id)
            .on_conflict_do_nothing()
        )
        if rows_changed(liked):
            counters.add(promo_id, likes=1)


def unlike(account_id: UUID, promo_id: UUID) -> None:
    """Take a like back, if there is one.

    Raises: PromoNotFound.
    """
    counters.check_exists(promo_id)
    with transaction():
        unliked = db.session.execute(
            sa.delete(PromoLike)
            .where(PromoLike.promo_id == promo_id, PromoLike.account_id == account_id)
            .execution_options(synchronize_session=False)
        )
        if rows_changed(unliked):
            counters.add(promo_id, likes=-1)
