"""Give a visitor of a website a code.

When many ask for one pair's code at the same moment, the unique number of the pair's next code lets
only one of them make it.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, codes, errors
from ..core.claims import Overtaken, claim_or_explain
from ..db.dialects import rows_changed, upsert
from ..db.session import db, transaction
from ..db.statements import Prepared
from ..db.types import Moment
from ..discount_coupons import events
from ..discount_coupons import terms as coupon_terms
from ..discount_coupons.bulk import write
from ..messaging import outbox
from ..models import CouponFor, DiscountCoupon, DiscountType, EmailCoupon, OutboxMessage, new_id
from ..text import mailboxes
from .mailer import TOPIC

CODE_LENGTH = 8
MAILED_AGAIN_AFTER = timedelta(hours=1)
TRIES = 10

# A mail that still waits in the outbox has not been sent, and no other is written beside it. One
# that is gone from the outbox was over long ago.
_MAIL_IS_OVER = sa.or_(
    OutboxMessage.id.is_(None),
    OutboxMessage.given_up_at.is_not(None),
    OutboxMessage.delivered_at <= sa.bindparam("an_hour_ago", type_=Moment),
)
_IS_LIVE = sa.and_(
    DiscountCoupon.id.is_not(None),
    # The shop may have taken the expiry away.
    sa.or_(
        DiscountCoupon.expires_at.is_(None),
        DiscountCoupon.expires_at > sa.bindparam("now", type_=Moment),
    ),
)
_CODES = (
    sa.select(
        EmailCoupon.id,
        EmailCoupon.number,
        EmailCoupon.message_id,
        DiscountCoupon.code,
        DiscountCoupon.expires_at,
        _IS_LIVE.label("is_live"),
        _MAIL_IS_OVER.label("mail_is_over"),
    )
    .outerjoin_from(EmailCoupon, DiscountCoupon, DiscountCoupon.id == EmailCoupon.coupon_id)
    .outerjoin(OutboxMessage, OutboxMessage.id == EmailCoupon.message_id)
    .where(
        EmailCoupon.email == sa.bindparam("email", type_=sa.Text),
        EmailCoupon.website == sa.bindparam("website", type_=sa.Text),
    )
    .order_by(EmailCoupon.number.desc())
    .limit(1)
)
_NEWEST = Prepared("newest_email_coupon", _CODES)
_NEWEST_LIVE = Prepared("newest_live_email_coupon", _CODES.where(_IS_LIVE))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a code is worth, and for how long."""

    discount_percent: Decimal
    expiry_days: int
    currency: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A code as a visitor gets it."""

    email: str
    website: str
    code: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Newest:
    """A pair's code: the newest that is live, or else the newest. `number` is always the latter's.

    `code` is None where the shop has deleted the coupon.
    """

    id: UUID
    number: int
    message_id: UUID
    code: str | None
    expires_at: datetime | None
    is_live: bool
    mail_is_over: bool


def issue(email: str, website: str, terms: Terms) -> tuple[Issued, bool]:
    """Return the pair's code, and whether it is new.

    A code that has not expired is returned again. It is mailed again where its last mail is over an
    hour old. Mails go to `email` as it is; the pair is that of its mailbox.
    """
    mailed_to, email = mailboxes.deliverable(email), mailboxes.without_tag(email)
    other = None if mailed_to == email else mailed_to

    def look() -> _Newest | None:
        now = clock.now()
        asked = {
            "email": email,
            "website": website,
            "now": now,
            "an_hour_ago": now - MAILED_AGAIN_AFTER,
        }
        row = _NEWEST.execute(asked).one_or_none()
        if row is None:
            return None
        newest = _Newest(*row)
        if newest.is_live or newest.number == 1:
            return newest
        # Of pairs that became one at an upgrade, an older code may outlive the newest.
        live = _NEWEST_LIVE.execute(asked).one_or_none()
        return newest if live is None else replace(_Newest(*live), number=newest.number)

    def claim(newest: _Newest | None) -> tuple[Issued, bool]:
        if newest is not None and newest.code is not None and newest.is_live:
            if newest.mail_is_over:
                _mail_again(newest, other)
            return Issued(email, website, newest.code, newest.expires_at), False
        now = clock.now()
        expires_at = (now + timedelta(days=terms.expiry_days)).replace(microsecond=0)
        coupon = coupon_terms.complete(
            {
                "type": DiscountType.PERCENTAGE,
                "discount": terms.discount_percent,
                "currency": terms.currency,
                "coupon_for": CouponFor.PRODUCT,
                "max_usage": 1,
                "expires_at": expires_at,
            }
        )
        number = 1 if newest is None else newest.number + 1
        code = _make_next(email, other, website, number, coupon)
        return Issued(email, website, code, expires_at), True

    return claim_or_explain(claim, look(), look)


def _make_next(
    email: str, mailed_to: str | None, website: str, number: int, terms: coupon_terms.Terms
) -> str:
    """Make the pair's code of that number, write its mail down, and have webhooks told.

    Raises: Overtaken where that code exists already.
    """
    email_coupon_id = new_id()
    with transaction():
        code = _make_coupon(terms)
        coupon_id = sa.select(DiscountCoupon.id).where(DiscountCoupon.code == code)
        numbered = (
            upsert(EmailCoupon)
            .values(
                id=email_coupon_id,
                email=email,
                mailed_to=mailed_to,
                website=website,
                number=number,
                coupon_id=coupon_id.scalar_subquery(),
                message_id=_write_mail(email_coupon_id),
                created_at=clock.now(),
            )
            .on_conflict_do_nothing(
                index_elements=[EmailCoupon.email, EmailCoupon.website, EmailCoupon.number]
            )
        )
        if rows_changed(db.session.execute(numbered)) == 0:
            raise Overtaken
        events.coupon_with_code_created(code)
    return code


def _make_coupon(terms: coupon_terms.Terms) -> str:
    for _ in range(TRIES):
        code = codes.generate(CODE_LENGTH)
        if all(write.write([(code, terms)], is_public=False)):
            return code
    raise errors.Unavailable


def _mail_again(newest: _Newest, mailed_to: str | None) -> None:
    # Of those who saw the same last mail, one puts another in its place.
    with suppress(Overtaken), transaction():
        following = (
            sa.update(EmailCoupon)
            .where(EmailCoupon.id == newest.id, EmailCoupon.message_id == newest.message_id)
            .values(message_id=_write_mail(newest.id), mailed_to=mailed_to)
            .execution_options(synchronize_session=False)
        )
        if rows_changed(db.session.execute(following)) == 0:
            raise Overtaken


def _write_mail(email_coupon_id: UUID) -> UUID:
    return outbox.write(TOPIC, {"email_coupon_id": str(email_coupon_id)})
