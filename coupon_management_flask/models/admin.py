"""What administrators did under /admin."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .accounts import Account
from .columns import AccountId, CreatedAt, Id, where
from .kinds import ChangeAction


class AdminChange(Model):
    """One thing that an administrator did, append-only: written by the transaction that did it.

    `row_id` is the key of the row in `table_name`; `before` and `after` have the columns that differ, never a secret. A failed sign-in is of the account
    that was named, if there is one.
    """

    __tablename__ = "admin_changes"

    id: Mapped[Id]
    account_id: Mapped[AccountId | None]
    action: Mapped[ChangeAction]
    table_name: Mapped[str]
    row_id: Mapped[str | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        sa.CheckConstraint(
            "action IN ('create', 'change', 'delete', 'sign_in', 'sign_in_failed', 'sign_out')",
            name="action",
        ),
        sa.Index(None, "account_id", "id"),
        sa.Index(None, "table_name", "row_id", "id"),
    )


# Who is an administrator, among millions.
sa.Index("ix_accounts_administrators", Account.id, **where("role = 'administrator'"))
