"""Credit, and where it came from and went."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id


class Wallet(Model):
    """An account's credit. Changed by core/wallet.py alone, with a ledger entry each time."""

    __tablename__ = "wallets"

    account_id: Mapped[AccountId] = mapped_column(primary_key=True)
    balance: Mapped[int] = mapped_column(sa.BigInteger, default=0)

    __table_args__ = (sa.CheckConstraint("balance >= 0", name="balance_not_negative"),)


class LedgerEntry(Model):
    """One change of a wallet. Append-only.

    `reason` says why. `reference` cites the cause: the redemption, purchase or payment it belongs
    to, or the administrator who granted it.
    """

    __tablename__ = "ledger_entries"

    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("wallets.account_id"))
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    balance_after: Mapped[int] = mapped_column(sa.BigInteger)
    reason: Mapped[str]
    reference: Mapped[UUID | None] = mapped_column(sa.Uuid)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        sa.Index(None, "account_id", "created_at"),
        sa.CheckConstraint("balance_after >= 0", name="balance_after_not_negative"),
    )
