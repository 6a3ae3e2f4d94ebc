"""The mail with a code."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import render_template

from .. import config
from ..core import clock, money
from ..db.session import db
from ..messaging.mail import sender
from ..models import DiscountCoupon, DiscountType, EmailCoupon, UnsubscribedAddress
from . import unsubscribe

TOPIC = "email_coupon"


@dataclass(frozen=True, slots=True)
class _Mailed:
    """What a mail is about, and where it goes."""

    id: UUID
    to: str
    website: str
    code: str
    type: DiscountType
    discount: Decimal
    currency: str
    expires_at: datetime | None


def deliver(message_id: UUID, payload: dict[str, Any]) -> None:
    """Mail a code, unless there is no use in it any more.

    Nobody who has unsubscribed since gets a mail, and no code is mailed that was deleted or has
    expired since.
    """
    coupon = _read(UUID(payload["email_coupon_id"]))
    if coupon is not None:
        sender.send(_compose(coupon, message_id))


def _read(email_coupon_id: UUID) -> _Mailed | None:
    expires_at = DiscountCoupon.expires_at
    row = db.session.execute(
        sa.select(
            EmailCoupon.id,
            sa.func.coalesce(EmailCoupon.mailed_to, EmailCoupon.email),
            EmailCoupon.website,
            DiscountCoupon.code,
            DiscountCoupon.type,
            DiscountCoupon.discount,
            DiscountCoupon.currency,
            expires_at,
        )
        .join(DiscountCoupon, DiscountCoupon.id == EmailCoupon.coupon_id)
        .where(
            EmailCoupon.id == email_coupon_id,
            sa.or_(expires_at.is_(None), expires_at > clock.now()),
            ~sa.exists().where(UnsubscribedAddress.email == EmailCoupon.email),
        )
    ).one_or_none()
    return None if row is None else _Mailed(*row)


def _compose(coupon: _Mailed, message_id: UUID) -> sender.Mail:
    path = f"/api/coupons/unsubscribe?token={unsubscribe.token_of(coupon.id)}"
    link = config.current().link_to(path)
    discount = _discount(coupon)
    # Where any website is taken, somebody else's may be typed in beside a victim's address.
    is_ours = bool(config.current().coupon_allowed_websites)
    subject = f"Your code for {discount} off" + (f" at {coupon.website}" if is_ours else "")
    said = {
        "subject": subject,
        "website": coupon.website if is_ours else _not_linked(coupon.website),
        "code": coupon.code,
        "discount": discount,
        "expiry": None if coupon.expires_at is None else _for_people(coupon.expires_at),
        "unsubscribe": link,
    }
    return sender.Mail(
        to=coupon.to,
        subject=subject,
        text=render_template("email_coupons/mail.txt", **said),
        html=render_template("email_coupons/mail.html", **said),
        headers={
            "List-Unsubscribe": f"<{link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        message_id=message_id,
    )


def _discount(coupon: _Mailed) -> str:
    if coupon.type is DiscountType.PERCENTAGE:
        return f"{coupon.discount.normalize():f}%"
    # An administrator has made it an amount.
    return f"{money.written(coupon.discount, coupon.currency)} {coupon.currency}"


def _not_linked(website: str) -> str:
    """Return a website's name as people read it and mail programs make no link of it."""
    return website.replace(".", "[.]")


def _for_people(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
