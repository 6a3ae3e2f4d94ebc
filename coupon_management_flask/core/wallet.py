"""Wallet: a balance in credits that never goes below zero, and the append-only ledger that explains it."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..db.session import AnyRow, db
from ..models import LedgerEntry, Wallet, new_id
from . import clock, errors

_wallets: Any = Wallet.__table__
_ledger: Any = LedgerEntry.__table__


def open_wallet(account_id: UUID, credit: int = 0, reason: str = "opening balance") -> None:
    """An account's wallet. What it starts with is an entry like any other, so that the ledger's sum is the balance from the first day."""
    db.session.execute(sa.insert(_wallets).values(account_id=account_id, balance=0))
    if credit:
        change(account_id, credit, reason=reason)


def change(account_id: UUID, amount: int, *, reason: str, reference: UUID | None = None) -> AnyRow:
    """Adds `amount` credits (takes them where it is negative) and returns the ledger entry written with it.

    Raises InsufficientCredit where the balance would go below zero, NotFound for an account without a wallet.
    """
    balance = db.session.scalar(
        sa.update(_wallets)
        .where(_wallets.c.account_id == account_id, _wallets.c.balance + amount >= 0)
        .values(balance=_wallets.c.balance + amount)
        .returning(_wallets.c.balance)
    )
    if balance is None:
        if balance_of(account_id) is None:
            raise errors.NotFound
        raise errors.InsufficientCredit
    return db.session.execute(
        sa.insert(_ledger)
        .values(
            id=new_id(),
            account_id=account_id,
            amount=amount,
            balance_after=balance,
            reason=reason,
            reference=reference,
            created_at=clock.now(),
        )
        .returning(*_ledger.c)
    ).one()


def debit(account_id: UUID, amount: int, *, reason: str, reference: UUID | None = None) -> AnyRow:
    """Takes `amount` >= 0 credits; raises what `change` raises."""
    return change(account_id, -amount, reason=reason, reference=reference)


def credit(account_id: UUID, amount: int, *, reason: str, reference: UUID | None = None) -> AnyRow:
    """Gives `amount` >= 0 credits; raises what `change` raises."""
    return change(account_id, amount, reason=reason, reference=reference)


def balance_of(account_id: UUID) -> int | None:
    return db.session.scalar(
        sa.select(_wallets.c.balance).where(_wallets.c.account_id == account_id)
    )
