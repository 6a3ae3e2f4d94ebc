"""List the codes that were given."""

import sqlalchemy as sa

from ..db.pages import Page
from ..db.session import db
from ..models import DiscountCoupon, EmailCoupon
from ..text import mailboxes
from .issue import Issued


def list_coupons(
    *, page: int, page_size: int, email: str | None = None, website: str | None = None
) -> Page:
    """Return a page of the codes that the shop has not deleted, newest first."""
    conditions: list[sa.ColumnElement[bool]] = [EmailCoupon.coupon_id.is_not(None)]
    if email is not None:
        conditions.append(EmailCoupon.email == mailboxes.without_tag(email))
    if website is not None:
        conditions.append(EmailCoupon.website == website)
    total = db.session.scalar(
        sa.select(sa.func.count()).select_from(EmailCoupon).where(*conditions)
    )
    rows = db.session.execute(
        sa.select(
            EmailCoupon.email, EmailCoupon.website, DiscountCoupon.code, DiscountCoupon.expires_at
        )
        .join_from(EmailCoupon, DiscountCoupon, DiscountCoupon.id == EmailCoupon.coupon_id)
        .where(*conditions)
        .order_by(EmailCoupon.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    return Page([Issued(*row) for row in rows], total or 0, page, page_size)
