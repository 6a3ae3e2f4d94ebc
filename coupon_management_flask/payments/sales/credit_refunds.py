"""Refund a purchase with credit: its vouchers, its credit and its discount's use, all in one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from ... import config
from ...core import clock, wallet
from ...db.failures import retried
from ...db.session import db, transaction
from ...identity import change_log
from ...models import LedgerEntry, Voucher, VoucherPurchase
from ...vouchers import vouchers
from ...vouchers.errors import VoucherNotFound
from ...vouchers.vouchers import OwnedVoucher
from ..errors import PaidByCard, RefundPeriodOver, VoucherUsed
from . import delivery, discounts

# Why the ledger says that credit came back. The audit looks for the purchase behind it.
LEDGER_REASON = "voucher refunded"


@dataclass(frozen=True, slots=True)
class PurchaseRefunded:
    """A purchase that was taken back; `credit` is what the wallet had right after that."""

    vouchers: Sequence[OwnedVoucher]
    credit: int


def refund(
    account_id: UUID, *, voucher_id: UUID, reason: str, is_administrator: bool
) -> PurchaseRefunded:
    """Take back the whole purchase that a voucher is of, once; again, the answer is the same.

    Its owner may do that in the first REFUND_DAYS, an administrator at any time.

    Raises: VoucherNotFound, also for somebody else's; PaidByCard; VoucherUsed where any of the
    purchase was used; RefundPeriodOver.
    """
    is_theirs = sa.true() if is_administrator else VoucherPurchase.account_id == account_id
    purchase = db.session.execute(
        sa.select(VoucherPurchase)
        .join(Voucher, Voucher.purchase_id == VoucherPurchase.id)
        .where(Voucher.id == voucher_id, is_theirs),
        execution_options={"populate_existing": True},
    ).scalar_one_or_none()
    if purchase is None:
        raise VoucherNotFound
    if purchase.credits is None:
        raise PaidByCard
    is_too_late = not is_administrator and purchase.created_at <= clock.now() - timedelta(
        days=config.current().refund_days
    )
    if purchase.refunded_at is None:
        _refund(purchase.id, purchase.account_id, purchase.credits, reason, is_too_late=is_too_late)
    return PurchaseRefunded(
        vouchers.list_of_purchase(purchase.id), _balance_after(purchase.id, purchase.account_id)
    )


@retried
def _refund(
    purchase_id: UUID, account_id: UUID, credits: int, reason: str, *, is_too_late: bool
) -> None:
    with transaction():
        # Of two refunds at once, the second waits here for the first.
        order_redemption_id, refunded_at = db.session.execute(
            sa.select(VoucherPurchase.order_redemption_id, VoucherPurchase.refunded_at)
            .where(VoucherPurchase.id == purchase_id)
            .with_for_update()
        ).one()
        if refunded_at is not None:
            return
        # The wallet before the stocks, as everywhere.
        wallet.credit(account_id, credits, reason=LEDGER_REASON, reference=purchase_id)
        if not delivery.is_unused(purchase_id):
            raise VoucherUsed
        if is_too_late:
            raise RefundPeriodOver
        delivery.cancel(purchase_id)
        db.session.execute(
            sa.update(VoucherPurchase)
            .where(VoucherPurchase.id == purchase_id)
            .values(refund_reason=reason)
            .execution_options(synchronize_session=False)
        )
        if order_redemption_id is not None:
            discounts.give_back(order_redemption_id)
        change_log.note(
            VoucherPurchase.__tablename__,
            purchase_id,
            before={"is_refunded": False},
            after={"is_refunded": True, "reason": reason},
        )


def _balance_after(purchase_id: UUID, account_id: UUID) -> int:
    entry = sa.select(LedgerEntry.balance_after).where(
        LedgerEntry.account_id == account_id,
        LedgerEntry.reference == purchase_id,
        LedgerEntry.reason == LEDGER_REASON,
    )
    return db.session.execute(entry).scalar_one()
