"""What administrators did, under /admin and through the API."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .accounts import Account
from .columns import AccountId, CreatedAt, Id, JsonObject, is_among, where
from .kinds import ChangeAction


class AdminChange(Model):
    """One thing that an administrator did, written by the transaction that did it. Append-only.

    A server that manages coupons with its API key is one too.

    `row_id` is the key of the row in `table_name`. `before` and `after` have the columns that
    differ, never a secret. A failed sign-in belongs to the account that was named, if there is
    one.
    """

    __tablename__ = "admin_changes"

    id: Mapped[Id]
    account_id: Mapped[AccountId | None]
    action: Mapped[ChangeAction]
    table_name: Mapped[str]
    row_id: Mapped[str | None]
    before: Mapped[JsonObject | None] = mapped_column(sa.JSON(none_as_null=True))
    after: Mapped[JsonObject | None] = mapped_column(sa.JSON(none_as_null=True))
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        sa.CheckConstraint(is_among("action", ChangeAction), name="action"),
        sa.Index(None, "account_id", "id"),
        sa.Index(None, "table_name", "row_id", "id"),
    )


# Finds the administrators among millions of accounts.
sa.Index("ix_accounts_administrators", Account.id, **where("role = 'administrator'"))
