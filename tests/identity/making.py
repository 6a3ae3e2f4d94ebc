"""Accounts, made without HTTP."""

from uuid import UUID

import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import accounts
from coupon_management_flask.models import Account

from ..support.people import PASSWORD


def create_user(**given: object) -> UUID:
    return accounts.create_user(**{"password": PASSWORD, "name": "Alice", **given})


def create_company(**given: object) -> UUID:
    return accounts.create_company(**{"password": PASSWORD, "name": "Shop", **given})


def disable(account_id: UUID) -> None:
    with transaction():
        db.session.execute(
            sa.update(Account).where(Account.id == account_id).values(is_active=False)
        )
