"""The mail with a code, and the link in it by which somebody asks for no more mails."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import current_app, render_template
from itsdangerous import BadSignature, Signer

from .. import config
from ..core import clock, errors, money
from ..db.session import AnyRow, db
from ..messaging.mail import sender
from ..models import DiscountCoupon, EmailCoupon, UnsubscribedAddress

TOPIC = "email_coupon"

_email_coupons: Any = EmailCoupon.__table__
_coupons: Any = DiscountCoupon.__table__

_TO_MAIL = (
    sa.select(_email_coupons.c.id, _email_coupons.c.email, _email_coupons.c.website)
    .add_columns(
        *(_coupons.c[name] for name in ("code", "type", "discount", "currency", "expires_at"))
    )
    .join(_coupons, _coupons.c.id == _email_coupons.c.coupon_id)
    .where(
        _email_coupons.c.id == sa.bindparam("id", type_=sa.Uuid),
        sa.or_(
            _coupons.c.expires_at.is_(None),
            _coupons.c.expires_at > sa.bindparam("now", type_=_coupons.c.expires_at.type),
        ),
        ~sa.exists().where(UnsubscribedAddress.email == _email_coupons.c.email),
    )
)


def deliver(message_id: UUID, payload: dict[str, Any]) -> None:
    """Mails the code; to nobody who unsubscribed, and no code that was deleted or has expired since."""
    coupon = db.session.execute(
        _TO_MAIL, {"id": UUID(payload["email_coupon_id"]), "now": clock.now()}
    ).one_or_none()
    if coupon is not None:
        sender.send(_compose(coupon, message_id))


def _compose(coupon: AnyRow, message_id: UUID) -> sender.Mail:
    unsubscribe = f"{config.current().public_url.rstrip('/')}/api/coupons/unsubscribe?token={token_of(coupon.id)}"
    said = {
        "website": coupon.website,
        "code": coupon.code,
        "discount": _discount(coupon),
        "expiry": None if coupon.expires_at is None else _for_people(coupon.expires_at),
        "unsubscribe": unsubscribe,
    }
    return sender.Mail(
        to=coupon.email,
        subject=f"Your code for {said['discount']} off at {coupon.website}",
        text=render_template("email_coupons/mail.txt", **said),
        html=render_template("email_coupons/mail.html", **said),
        headers={
            "List-Unsubscribe": f"<{unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        message_id=message_id,
    )


def _discount(coupon: AnyRow) -> str:
    # An administrator may have made it an amount.
    if coupon.type == "percentage":
        return f"{coupon.discount.normalize():f}%"
    return f"{money.written(coupon.discount, coupon.currency)} {coupon.currency}"


def _for_people(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


# --- The link


def _signer() -> Signer:
    return Signer(current_app.secret_key or "", salt="unsubscribe", key_derivation="hmac")


def token_of(email_coupon_id: UUID) -> str:
    """What names an address to whoever got a mail there, without spelling it. It does not expire."""
    return _signer().sign(urlsafe_b64encode(email_coupon_id.bytes).rstrip(b"=")).decode()


def address_of(token: str) -> str:
    """Raises Invalid for a token that is none of ours."""
    try:
        email_coupon_id = UUID(bytes=urlsafe_b64decode(_signer().unsign(token) + b"=="))
    except BadSignature as error:
        raise errors.Invalid({"token": ["This link is not valid."]}) from error
    address = db.session.scalar(
        sa.select(_email_coupons.c.email).where(_email_coupons.c.id == email_coupon_id)
    )
    if address is None:
        raise errors.Invalid({"token": ["This link is not valid."]})
    return str(address)
