"""Unsubscribe an address from mails with codes, by the link in each of them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import sqlalchemy as sa
from flask import current_app
from itsdangerous import BadSignature, Signer

from ..core import clock, errors
from ..db.dialects import upsert
from ..db.session import db, transaction
from ..models import EmailCoupon, UnsubscribedAddress
from ..text import mailboxes


def token_of(email_coupon_id: UUID) -> str:
    """Return a token that names an address without spelling it.

    Only somebody who received a mail there has it. It does not expire.
    """
    return _signer().sign(urlsafe_b64encode(email_coupon_id.bytes).rstrip(b"=")).decode()


def address_of(token: str) -> str:
    """Return the address that a token names.

    Raises: Invalid for a token that is none of ours.
    """
    try:
        email_coupon_id = UUID(bytes=urlsafe_b64decode(_signer().unsign(token) + b"=="))
    except BadSignature as error:
        raise _not_valid() from error
    address = db.session.scalar(
        sa.select(EmailCoupon.email).where(EmailCoupon.id == email_coupon_id)
    )
    if address is None:
        raise _not_valid()
    return address


def _not_valid() -> errors.Invalid:
    return errors.Invalid({"token": ["This link is not valid."]})


def _signer() -> Signer:
    return Signer(current_app.secret_key or "", salt="unsubscribe", key_derivation="hmac")


def unsubscribe(email: str) -> None:
    """Send no more mails with codes to an address; it still gets codes."""
    with transaction():
        db.session.execute(
            upsert(UnsubscribedAddress)
            .values(email=mailboxes.without_tag(email), created_at=clock.now())
            .on_conflict_do_nothing()
        )
