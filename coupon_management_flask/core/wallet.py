"""Wallet: a balance in credits that never goes below zero, and the ledger that explains it."""

from uuid import UUID

import sqlalchemy as sa

from ..db.dialects import table
from ..db.session import db
from ..models import LedgerEntry, Wallet, new_id
from . import clock, errors

_WALLETS = table(Wallet)


def open_wallet(account_id: UUID, credit: int = 0, reason: str = "opening balance") -> None:
    """Open an account's wallet.

    What it starts with is an entry like any other, so that the ledger's sum is the balance from
    the first day.
    """
    db.session.execute(sa.insert(_WALLETS).values(account_id=account_id, balance=0))
    if credit:
        change(account_id, credit, reason=reason)


def change(
    account_id: UUID, amount: int, *, reason: str, reference: UUID | None = None
) -> LedgerEntry:
    """Add credits, or take them where `amount` is negative, and return the ledger entry.

    Raises: InsufficientCredit where the balance would go below zero, NotFound for an account
        without a wallet.
    """
    balance = db.session.scalar(
        sa.update(_WALLETS)
        .where(_WALLETS.c.account_id == account_id, _WALLETS.c.balance + amount >= 0)
        .values(balance=_WALLETS.c.balance + amount)
        .returning(_WALLETS.c.balance)
    )
    if balance is None:
        if balance_of(account_id) is None:
            raise errors.NotFound
        raise errors.InsufficientCredit
    entry = {
        "id": new_id(),
        "account_id": account_id,
        "amount": amount,
        "balance_after": balance,
        "reason": reason,
        "reference": reference,
        "created_at": clock.now(),
    }
    db.session.execute(sa.insert(table(LedgerEntry)).values(entry))
    return LedgerEntry(**entry)


def debit(
    account_id: UUID, amount: int, *, reason: str, reference: UUID | None = None
) -> LedgerEntry:
    """Take `amount` >= 0 credits. Raises what `change` raises."""
    return change(account_id, -amount, reason=reason, reference=reference)


def credit(
    account_id: UUID, amount: int, *, reason: str, reference: UUID | None = None
) -> LedgerEntry:
    """Give `amount` >= 0 credits. Raises what `change` raises."""
    return change(account_id, amount, reason=reason, reference=reference)


def balance_of(account_id: UUID) -> int | None:
    return db.session.scalar(sa.select(Wallet.balance).where(Wallet.account_id == account_id))
