"""Redeem a voucher use by use, and list what was redeemed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from ..core import errors, stock
from ..core.claims import claim_or_explain
from ..db.dialects import table
from ..db.failures import retried
from ..db.pages import Page
from ..db.session import db, transaction
from ..db.types import Moment
from ..identity import failed_attempts
from ..models import (
    Redemption,
    RedemptionKind,
    Voucher,
    VoucherStatus,
    VoucherType,
    VoucherUsage,
    new_id,
)
from . import vouchers
from .errors import (
    VoucherCancelled,
    VoucherExpired,
    VoucherFrozen,
    VoucherUsedUp,
    WrongServiceType,
)
from .vouchers import OwnedVoucher

_IS_FOR_THE_SERVICE = sa.exists().where(
    VoucherType.id == Voucher.voucher_type_id,
    VoucherType.service_type == stock.given("service_type", sa.Text),
)

_CLAIMING = stock.Claiming(
    RedemptionKind.VOUCHER,
    "voucher",
    only_if=[
        sa.exists().where(
            Voucher.id == stock.given("voucher_id", sa.Uuid),
            Voucher.cancelled_at.is_(None),
            Voucher.frozen_at.is_(None),
            Voucher.expiry_date > stock.given("created_at", Moment),
            _IS_FOR_THE_SERVICE,
        )
    ],
    # Whoever cancels or freezes a voucher holds its stock: lock it before looking at the voucher.
    after=stock.LOCK,
)

_REFUSALS: dict[VoucherStatus, type[errors.Refused]] = {
    VoucherStatus.CANCELLED: VoucherCancelled,
    VoucherStatus.FROZEN: VoucherFrozen,
    VoucherStatus.EXPIRED: VoucherExpired,
    VoucherStatus.USED: VoucherUsedUp,
}


@dataclass(frozen=True, slots=True)
class Usage:
    """One use of a voucher; `details` is what the service wanted to remember of it."""

    id: UUID
    voucher_code: str
    voucher_type: VoucherType
    service_type: str
    used_at: datetime
    details: object


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A use that was taken just now, and the voucher as it is after it."""

    voucher: OwnedVoucher
    usage: Usage


def redeem(
    owner_id: UUID,
    *,
    code: str,
    service_type: str,
    details: object = None,
    attempt_limits: failed_attempts.Limits,
) -> Redeemed:
    """Take one use of the owner's voucher for a service.

    Raises: VoucherNotFound for an unknown code and for somebody else's, which both count as failed
    attempts; RateLimited; and the first that applies of VoucherCancelled, VoucherFrozen,
    VoucherExpired, VoucherUsedUp and WrongServiceType, in this order.
    """

    def explain() -> OwnedVoucher:
        voucher = vouchers.read_own(owner_id, code, attempt_limits)
        _explain(voucher, service_type)
        return voucher

    return claim_or_explain(
        lambda voucher: _claim(owner_id, voucher, service_type, details),
        vouchers.read_own(owner_id, code, attempt_limits),
        explain,
    )


@retried
def _claim(owner_id: UUID, voucher: OwnedVoucher, service_type: str, details: object) -> Redeemed:
    redemption_id = new_id()
    with transaction():
        claimed = _CLAIMING.claim(
            voucher.stock_id,
            claim_key=stock.repeatable_key(owner_id, redemption_id),
            account_id=owner_id,
            redemption_id=redemption_id,
            code=voucher.code,
            voucher_id=voucher.id,
            service_type=service_type,
        )
        db.session.execute(
            sa.insert(table(VoucherUsage)).values(
                redemption_id=redemption_id,
                voucher_id=voucher.id,
                service_type=service_type,
                details=details,
            )
        )
        after = vouchers.read(voucher.id)
    usage = Usage(
        id=redemption_id,
        voucher_code=voucher.code,
        voucher_type=after.voucher_type,
        service_type=service_type,
        used_at=claimed.redeemed_at,
        details=details,
    )
    return Redeemed(after, usage)


def _explain(voucher: OwnedVoucher, service_type: str) -> None:
    """Raise the first refusal of the contract's order, or return where nothing refuses."""
    if voucher.status in _REFUSALS:
        raise _REFUSALS[voucher.status]
    if voucher.voucher_type.service_type != service_type:
        raise WrongServiceType


def list_usages(owner_id: UUID, *, page: int, page_size: int) -> Page:
    """Return a page of what the owner has redeemed, newest first."""
    own = (Redemption.account_id == owner_id, Redemption.kind == RedemptionKind.VOUCHER)
    total = db.session.scalar(sa.select(sa.func.count()).select_from(Redemption).where(*own)) or 0
    rows = db.session.execute(
        sa.select(
            Redemption.id,
            Voucher.code,
            VoucherType,
            VoucherUsage.service_type,
            Redemption.created_at,
            VoucherUsage.details,
        )
        .join(VoucherUsage, VoucherUsage.redemption_id == Redemption.id)
        .join(Voucher, Voucher.id == VoucherUsage.voucher_id)
        .join(VoucherType, VoucherType.id == Voucher.voucher_type_id)
        .where(*own)
        .order_by(Redemption.created_at.desc(), Redemption.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    return Page([Usage(*row) for row in rows], total, page, page_size)
