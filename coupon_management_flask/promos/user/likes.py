"""A user likes promos. One user counts once for each."""

from uuid import UUID

import sqlalchemy as sa

from ...db.dialects import rows_changed, table, upsert
from ...db.session import db, transaction
from ...models import PromoLike
from . import counters

_LIKES = table(PromoLike)


def like(account_id: UUID, promo_id: UUID) -> None:
    """Like a promo; do nothing where the user likes it already.

    Raises: PromoNotFound.
    """
    counters.check_exists(promo_id)
    with transaction():
        liked = db.session.execute(
            upsert(_LIKES).values(promo_id=promo_id, account_id=account_id).on_conflict_do_nothing()
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
            sa.delete(_LIKES).where(
                _LIKES.c.promo_id == promo_id, _LIKES.c.account_id == account_id
            )
        )
        if rows_changed(unliked):
            counters.add(promo_id, likes=-1)
