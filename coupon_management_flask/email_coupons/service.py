"""Use cases of e-mail coupons. Of many who ask for one pair's code at one moment, the unique number of the pair's next code lets one make it."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, codes, errors
from ..core.claims import Overtaken, claim_or_explain
from ..db.dialects import rows_changed, upsert
from ..db.session import AnyRow, db, transaction
from ..db.statements import Prepared
from ..discount_coupons import terms as coupon_terms
from ..discount_coupons.bulk import write
from ..messaging import outbox
from ..models import DiscountCoupon, EmailCoupon, OutboxMessage, UnsubscribedAddress, new_id
from ..web.pagination import Page
from .mailer import TOPIC

CODE_LENGTH = 8
MAILED_AGAIN_AFTER = timedelta(hours=1)
TRIES = 10

_email_coupons: Any = EmailCoupon.__table__
_coupons: Any = DiscountCoupon.__table__
_messages: Any = OutboxMessage.__table__

# One that waits has not been a mail yet, and is not written twice; one that is gone was over long ago.
_MAIL_IS_OVER = sa.or_(
    _messages.c.id.is_(None),
    _messages.c.given_up_at.is_not(None),
    _messages.c.delivered_at <= sa.bindparam("an_hour_ago", type_=_messages.c.delivered_at.type),
)
_NEWEST = Prepared(
    "newest_email_coupon",
    sa.select(
        _email_coupons.c.id,
        _email_coupons.c.number,
        _email_coupons.c.message_id,
        _coupons.c.code,
        _coupons.c.expires_at,
        _MAIL_IS_OVER.label("mail_is_over"),
    )
    .outerjoin_from(_email_coupons, _coupons, _coupons.c.id == _email_coupons.c.coupon_id)
    .outerjoin(_messages, _messages.c.id == _email_coupons.c.message_id)
    .where(
        _email_coupons.c.email == sa.bindparam("email", type_=sa.Text),
        _email_coupons.c.website == sa.bindparam("website", type_=sa.Text),
    )
    .order_by(_email_coupons.c.number.desc())
    .limit(1),
)


@dataclass(frozen=True, slots=True)
class Issued:
    email: str
    website: str
    code: str
    expires_at: datetime | None


def issue(
    email: str, website: str, *, discount_percent: Decimal, expiry_days: int, currency: str
) -> tuple[Issued, bool]:
    """The pair's code, and whether it is new. One that has not expired is the answer again, and mailed again where its last mail is an hour old."""

    def look() -> AnyRow | None:
        an_hour_ago = clock.now() - MAILED_AGAIN_AFTER
        return _NEWEST.execute(  # type: ignore[no-any-return]
            {"email": email, "website": website, "an_hour_ago": an_hour_ago}
        ).one_or_none()

    def claim(newest: AnyRow | None) -> tuple[Issued, bool]:
        now = clock.now()
        if newest is not None and _is_live(newest, now):
            if newest.mail_is_over:
                _mail_again(newest)
            return Issued(email, website, newest.code, newest.expires_at), False
        expires_at = (now + timedelta(days=expiry_days)).replace(microsecond=0)
        terms = {
            "type": "percentage",
            "discount": discount_percent,
            "currency": currency,
            "coupon_for": "product",
            "max_usage": 1,
            "expires_at": expires_at,
        }
        code = _make_next(
            email,
            website,
            1 if newest is None else newest.number + 1,
            coupon_terms.complete(terms),
        )
        return Issued(email, website, code, expires_at), True

    return claim_or_explain(claim, look(), look)


def _is_live(newest: AnyRow, now: datetime) -> bool:
    # Where the shop has deleted the coupon there is no code, and where it took the expiry away the code is for ever.
    return newest.code is not None and (newest.expires_at is None or newest.expires_at > now)


def _make_next(email: str, website: str, number: int, terms: coupon_terms.Terms) -> str:
    """The pair's code of that number, with its mail. Raises Overtaken where it is there already."""
    email_coupon_id = new_id()
    with transaction():
        code = _make_coupon(terms)
        numbered = (
            upsert(_email_coupons)
            .values(
                id=email_coupon_id,
                email=email,
                website=website,
                number=number,
                coupon_id=sa.select(_coupons.c.id).where(_coupons.c.code == code).scalar_subquery(),
                message_id=_write_mail(email_coupon_id),
                created_at=clock.now(),
            )
            .on_conflict_do_nothing(
                index_elements=[
                    _email_coupons.c.email,
                    _email_coupons.c.website,
                    _email_coupons.c.number,
                ]
            )
        )
        if rows_changed(db.session.execute(numbered)) == 0:
            raise Overtaken
    return code


def _make_coupon(terms: coupon_terms.Terms) -> str:
    for _ in range(TRIES):
        code = codes.generate(CODE_LENGTH)
        if all(write.write([(code, terms)], is_public=False)):
            return code
    raise errors.Unavailable


def _mail_again(newest: AnyRow) -> None:
    # Of those who saw the same last mail, one puts another in its place.
    with suppress(Overtaken), transaction():
        following = (
            sa.update(_email_coupons)
            .where(
                _email_coupons.c.id == newest.id, _email_coupons.c.message_id == newest.message_id
            )
            .values(message_id=_write_mail(newest.id))
        )
        if rows_changed(db.session.execute(following)) == 0:
            raise Overtaken


def _write_mail(email_coupon_id: UUID) -> UUID:
    return outbox.write(TOPIC, {"email_coupon_id": str(email_coupon_id)})


def list_coupons(*, page: int, page_size: int, **filters: str) -> Page:
    """A page of the codes that are still there, newest first."""
    conditions = [
        _email_coupons.c.coupon_id.is_not(None),
        *(_email_coupons.c[name] == value for name, value in filters.items()),
    ]
    total = (
        db.session.scalar(sa.select(sa.func.count()).select_from(_email_coupons).where(*conditions))
        or 0
    )
    rows = db.session.execute(
        sa.select(
            _email_coupons.c.email, _email_coupons.c.website, _coupons.c.code, _coupons.c.expires_at
        )
        .join_from(_email_coupons, _coupons, _coupons.c.id == _email_coupons.c.coupon_id)
        .where(*conditions)
        .order_by(_email_coupons.c.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    return Page(list(rows.all()), total, page, page_size)


def unsubscribe(email: str) -> None:
    """No mail goes to that address any more; it still gets codes."""
    with transaction():
        db.session.execute(
            upsert(UnsubscribedAddress)
            .values(email=email, created_at=clock.now())
            .on_conflict_do_nothing()
        )
