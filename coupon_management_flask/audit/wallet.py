"""Rules of the books: wallet."""

from collections.abc import Iterator

import sqlalchemy as sa

from ..models import (
    LedgerEntry,
    Redemption,
    Wallet,
)
from .rule import rows


def balance_is_the_ledgers_sum() -> Iterator[str]:
    entries = (
        sa.select(LedgerEntry.account_id, sa.func.sum(LedgerEntry.amount).label("total"))
        .group_by(LedgerEntry.account_id)
        .subquery()
    )
    total = sa.func.coalesce(entries.c.total, 0)
    for row in rows(
        sa.select(Wallet.account_id, Wallet.balance, total.label("total"))
        .outerjoin(entries, entries.c.account_id == Wallet.account_id)
        .where(Wallet.balance != total)
    ):
        yield f"wallet of {row.account_id}: balance says {row.balance}, its ledger says {row.total}"


def credit_redemptions_were_paid() -> Iterator[str]:
    paid = sa.exists().where(
        LedgerEntry.account_id == Redemption.account_id,
        LedgerEntry.reference == Redemption.id,
        LedgerEntry.amount == -Redemption.amount,
    )
    for row in rows(
        sa.select(Redemption.id).where(
            Redemption.kind == "credit", Redemption.rolled_back_at.is_(None), ~paid
        )
    ):
        yield f"redemption {row.id}: no ledger entry paid for it"


def payments_have_their_redemption() -> Iterator[str]:
    redeemed = sa.exists().where(
        Redemption.id == LedgerEntry.reference, Redemption.rolled_back_at.is_(None)
    )
    for row in rows(sa.select(LedgerEntry.id).where(LedgerEntry.reason == "coupon", ~redeemed)):
        yield f"ledger entry {row.id}: it paid for a redemption that does not exist"
