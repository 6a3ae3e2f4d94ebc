"""Everything that a refusal must leave as it was."""

from typing import Any

import sqlalchemy as sa

from coupon_management_flask.database import db
from coupon_management_flask.models import Account, CreditCoupon, LedgerEntry, Redemption, Stock, Wallet

Books = dict[str, list[Any]]


def read_books() -> Books:
    """All rows of what is limited, owned or owed."""
    return {
        model.__tablename__: [tuple(row) for row in db.session.execute(sa.select(model.__table__).order_by(*model.__table__.primary_key))]
        for model in (Account, CreditCoupon, LedgerEntry, Redemption, Stock, Wallet)
    }
