"""The likes and comments that each promo counts."""

from uuid import UUID

import sqlalchemy as sa

from ...db.dialects import table
from ...db.session import db
from ...models import Promo, PromoCounter
from ..errors import PromoNotFound

_COUNTERS = table(PromoCounter)


def add(promo_id: UUID, *, likes: int = 0, comments: int = 0) -> None:
    """Add to what a promo counts; negative numbers take away."""
    db.session.execute(
        sa.update(_COUNTERS)
        .where(_COUNTERS.c.promo_id == promo_id)
        .values(likes=_COUNTERS.c.likes + likes, comments=_COUNTERS.c.comments + comments)
    )


def check_exists(promo_id: UUID) -> None:
    """Check that there is such a promo.

    Raises: PromoNotFound.
    """
    if db.session.scalar(sa.select(Promo.id).where(Promo.id == promo_id)) is None:
        raise PromoNotFound
