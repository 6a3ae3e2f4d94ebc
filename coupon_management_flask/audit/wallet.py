"""A wallet holds what its ledger says, and what cost credit was paid for."""

import sqlalchemy as sa

from ..models import LedgerEntry, Redemption, RedemptionKind, Wallet
from .rule import Rule, rule


def _balance_is_the_ledgers_sum() -> Rule:
    entries = (
        sa.select(LedgerEntry.account_id, sa.func.sum(LedgerEntry.amount).label("total"))
        .group_by(LedgerEntry.account_id)
        .subquery()
    )
    total = sa.func.coalesce(entries.c.total, 0)
    return rule(
        sa.select(Wallet.account_id, Wallet.balance, total)
        .outerjoin(entries, entries.c.account_id == Wallet.account_id)
        .where(Wallet.balance != total),
        lambda account_id, balance, total: (
            f"wallet of {account_id}: balance says {balance}, its ledger says {total}"
        ),
    )


def _credit_redemptions_were_paid() -> Rule:
    paid = sa.exists().where(
        LedgerEntry.account_id == Redemption.account_id,
        LedgerEntry.reference == Redemption.id,
        LedgerEntry.amount == -Redemption.amount,
    )
    return rule(
        sa.select(Redemption.id).where(
            Redemption.kind == RedemptionKind.CREDIT, Redemption.rolled_back_at.is_(None), ~paid
        ),
        lambda redemption_id: f"redemption {redemption_id}: no ledger entry paid for it",
    )


def _entries_for_coupons_have_their_redemption() -> Rule:
    redeemed = sa.exists().where(
        Redemption.id == LedgerEntry.reference, Redemption.rolled_back_at.is_(None)
    )
    return rule(
        sa.select(LedgerEntry.id).where(LedgerEntry.reason == "coupon", ~redeemed),
        lambda entry_id: f"ledger entry {entry_id}: it paid for a redemption that does not exist",
    )


RULES = (
    _balance_is_the_ledgers_sum(),
    _credit_redemptions_were_paid(),
    _entries_for_coupons_have_their_redemption(),
)
