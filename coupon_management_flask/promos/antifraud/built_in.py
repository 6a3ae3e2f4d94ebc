"""The built-in check: a user may activate so many promos a minute.

A claim makes it in its own statement. The account is locked before, so that each of a user's
parallel activations counts those before it.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ...core import clock, stock
from ...db.statements import Prepared
from ...db.types import Moment
from ...models import Account, Redemption, RedemptionKind

WINDOW = timedelta(minutes=1)

_recent = sa.select(sa.func.count().label("count")).select_from(
    sa.select(Redemption.id)
    .where(
        Redemption.account_id == stock.given("account_id", sa.Uuid),
        Redemption.kind == RedemptionKind.PROMO,
        Redemption.created_at > stock.given("since", Moment),
    )
    .limit(stock.given("most", sa.BigInteger))
    .subquery()
)
_RECENT = Prepared("recent_activations", _recent)

NOT_TOO_MANY: sa.ColumnElement[bool] = _recent.scalar_subquery() < stock.given(
    "most", sa.BigInteger
)
"""The check as a condition of a claim. `limit` gives its parameters."""

ONE_AT_A_TIME = Prepared(
    "lock_account",
    sa.select(Account.id)
    .where(Account.id == stock.given("account_id", sa.Uuid))
    .with_for_update(key_share=True),
)


def limit(max_per_minute: int) -> dict[str, Any]:
    return {"since": clock.now() - WINDOW, "most": max_per_minute}


def admits(account_id: UUID, max_per_minute: int) -> bool:
    """Return whether the user has activated fewer promos in the last minute than are allowed."""
    given = {f"given_{name}": value for name, value in limit(max_per_minute).items()}
    found = _RECENT.execute({"given_account_id": account_id, **given}).one()
    return bool(found.count < max_per_minute)
