"""The books: what must add up, whatever happened."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ..database import AnySelect, db
from ..models import LedgerEntry, Redemption, Stock, Wallet


def discrepancies() -> Iterator[str]:
    """A sentence for each thing that does not add up; nothing where all does. Reads only, one statement for each rule."""
    for rule in (
        _claimed_is_what_was_redeemed,
        _redemptions_have_a_stock,
        _balance_is_the_ledgers_sum,
        _credit_redemptions_were_paid,
        _payments_have_their_redemption,
    ):
        yield from rule()


def _claimed_is_what_was_redeemed() -> Iterator[str]:
    redeemed = (
        sa.select(Redemption.stock_id, sa.func.sum(Redemption.units).label("units"))
        .where(Redemption.rolled_back_at.is_(None))
        .group_by(Redemption.stock_id)
        .subquery()
    )
    units = sa.func.coalesce(redeemed.c.units, 0)
    for row in _rows(
        sa.select(Stock.id, Stock.claimed, units.label("units")).outerjoin(redeemed, redeemed.c.stock_id == Stock.id).where(Stock.claimed != units)
    ):
        yield f"stock {row.id}: claimed says {row.claimed}, its live redemptions say {row.units}"


def _redemptions_have_a_stock() -> Iterator[str]:
    missing = sa.select(Redemption.id, Redemption.stock_id).where(~sa.exists().where(Stock.id == Redemption.stock_id))
    for row in _rows(missing):
        yield f"redemption {row.id}: its stock {row.stock_id} does not exist"


def _balance_is_the_ledgers_sum() -> Iterator[str]:
    entries = sa.select(LedgerEntry.account_id, sa.func.sum(LedgerEntry.amount).label("total")).group_by(LedgerEntry.account_id).subquery()
    total = sa.func.coalesce(entries.c.total, 0)
    for row in _rows(
        sa.select(Wallet.account_id, Wallet.balance, total.label("total"))
        .outerjoin(entries, entries.c.account_id == Wallet.account_id)
        .where(Wallet.balance != total)
    ):
        yield f"wallet of {row.account_id}: balance says {row.balance}, its ledger says {row.total}"


def _credit_redemptions_were_paid() -> Iterator[str]:
    paid = sa.exists().where(
        LedgerEntry.account_id == Redemption.account_id,
        LedgerEntry.reference == Redemption.id,
        LedgerEntry.amount == -Redemption.amount,
    )
    for row in _rows(sa.select(Redemption.id).where(Redemption.kind == "credit", Redemption.rolled_back_at.is_(None), ~paid)):
        yield f"redemption {row.id}: no ledger entry paid for it"


def _payments_have_their_redemption() -> Iterator[str]:
    redeemed = sa.exists().where(Redemption.id == LedgerEntry.reference, Redemption.rolled_back_at.is_(None))
    for row in _rows(sa.select(LedgerEntry.id).where(LedgerEntry.reason == "coupon", ~redeemed)):
        yield f"ledger entry {row.id}: it paid for a redemption that does not exist"


def _rows(statement: AnySelect) -> sa.Result[Any]:
    return db.session.execute(statement)
