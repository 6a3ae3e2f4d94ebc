"""Coupons that cost credit: finding, making and changing them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..core import clock, codes, errors, stock
from ..db.failures import broken_constraint
from ..db.pages import Page, paginate
from ..db.session import db, transaction
from ..identity import change_log, failed_attempts
from ..models import CreditCoupon, Stock, new_id
from ..text.codes import comparable, keys
from .errors import CouponNotFound, HiddenCodeTaken

# 31 ** 12 codes: a million coupons leave a guess a chance of one in 10 ** 11.
GENERATED_CODE_LENGTH = 12

_TABLE = CreditCoupon.__tablename__


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon as every user may see it."""

    id: UUID
    name: str
    value: int
    number_left: int
    expiration_date: datetime
    is_active: bool


@dataclass(frozen=True, slots=True)
class RevealedCoupon(Coupon):
    """A coupon for administrators, and for whoever knows its hidden code."""

    hidden_code: str
    hidden_code_key: str
    stock_id: UUID

    def concealed(self) -> Coupon:
        """Return the coupon as every user may see it."""
        return Coupon(
            self.id,
            self.name,
            self.value,
            self.number_left,
            self.expiration_date,
            self.is_active,
        )


NUMBER_LEFT = (Stock.capacity - Stock.claimed).label("number_left")

# In the order of the dataclasses' fields.
COLUMNS = (
    CreditCoupon.id,
    CreditCoupon.name,
    CreditCoupon.value,
    NUMBER_LEFT,
    CreditCoupon.expiration_date,
    CreditCoupon.is_active,
)
_COUPONS = sa.select(*COLUMNS).join(Stock, Stock.id == CreditCoupon.stock_id)
_REVEALED = _COUPONS.add_columns(
    CreditCoupon.hidden_code, CreditCoupon.hidden_code_key, CreditCoupon.stock_id
)


def list_coupons(
    *, page: int, per_page: int, with_unusable: bool, reader_is_administrator: bool
) -> Page:
    """List the active coupons that have not expired, by creation.

    Administrators see hidden codes, and the other coupons too `with_unusable`.

    Raises: Forbidden where anybody else asks for those.
    """
    if with_unusable and not reader_is_administrator:
        raise errors.Forbidden
    usable = sa.and_(CreditCoupon.is_active, CreditCoupon.expiration_date > clock.now())
    condition = sa.true() if with_unusable else usable
    columns = _REVEALED if reader_is_administrator else _COUPONS
    found = paginate(columns.where(condition).order_by(CreditCoupon.id), page, per_page)
    kind = RevealedCoupon if reader_is_administrator else Coupon
    return replace(found, items=[kind(*row) for row in found.items])


def look_up(hidden_code: str, attempt_limits: failed_attempts.Limits) -> RevealedCoupon:
    """Find the coupon with that hidden code.

    Raises: CouponNotFound, which counts as a failed attempt, and RateLimited.
    """
    failed_attempts.check(attempt_limits)
    # At most two: few codes have white space around them, and only some of those are stored so.
    found = {
        coupon.hidden_code_key: coupon
        for row in db.session.execute(
            _REVEALED.where(CreditCoupon.hidden_code_key.in_(keys(hidden_code)))
        )
        for coupon in [RevealedCoupon(*row)]
    }
    for key in keys(hidden_code):
        if key in found:
            return found[key]
    failed_attempts.record(attempt_limits)
    raise CouponNotFound


def find(coupon_id: UUID) -> RevealedCoupon:
    """Find a coupon by its id.

    Raises: CouponNotFound.
    """
    row = db.session.execute(_REVEALED.where(CreditCoupon.id == coupon_id)).one_or_none()
    if row is None:
        raise CouponNotFound
    return RevealedCoupon(*row)


def create_coupon(
    *,
    name: str,
    value: int,
    number_left: int,
    expiration_date: datetime,
    is_active: bool,
    hidden_code: str | None = None,
) -> RevealedCoupon:
    """Create a coupon. Without a hidden code it gets one that nobody can guess.

    Raises: HiddenCodeTaken.
    """
    code = hidden_code if hidden_code is not None else codes.generate(GENERATED_CODE_LENGTH)
    coupon_id = new_id()
    with transaction(), _unique_code():
        db.session.execute(
            sa.insert(CreditCoupon).values(
                id=coupon_id,
                name=name,
                value=value,
                hidden_code=code,
                hidden_code_key=comparable(code),
                stock_id=stock.create(capacity=number_left),
                expiration_date=expiration_date,
                is_active=is_active,
                created_at=clock.now(),
            )
        )
        coupon = find(coupon_id)
        change_log.note(_TABLE, coupon_id, after=coupon)
        return coupon


class CouponChanges(TypedDict, total=False):
    """What is to be changed of a coupon."""

    name: str
    value: int
    hidden_code: str
    number_left: int
    expiration_date: datetime
    is_active: bool


def change_coupon(coupon_id: UUID, changes: CouponChanges) -> RevealedCoupon:
    """Change what is named and nothing else.

    `number_left` sets what is left, whatever is used meanwhile.

    Raises: CouponNotFound, HiddenCodeTaken.
    """
    columns: dict[str, object] = {
        name: value for name, value in changes.items() if name != "number_left"
    }
    if "hidden_code" in changes:
        columns["hidden_code_key"] = comparable(changes["hidden_code"])
    with transaction(), _unique_code():
        before = find(coupon_id)
        if "number_left" in changes:
            stock.set_left(before.stock_id, changes["number_left"])
        if columns:
            db.session.execute(
                sa.update(CreditCoupon)
                .where(CreditCoupon.id == coupon_id)
                .values(**columns)
                .execution_options(synchronize_session=False)
            )
        after = find(coupon_id)
        # Uses change what is left too, meanwhile: what was not named is nobody's change.
        change_log.note(
            _TABLE,
            coupon_id,
            before={name: getattr(before, name) for name in changes},
            after={name: getattr(after, name) for name in changes},
        )
        return after


def deactivate_coupon(coupon_id: UUID) -> RevealedCoupon:
    """Let nobody use a coupon any more. It stays in the history of those who have used it.

    Raises: CouponNotFound.
    """
    return change_coupon(coupon_id, {"is_active": False})


@contextmanager
def _unique_code() -> Iterator[None]:
    """Name the one rule that the database may find broken in this block.

    Raises: HiddenCodeTaken.
    """
    try:
        yield
    except IntegrityError as error:
        if "hidden_code_key" in broken_constraint(error):
            raise HiddenCodeTaken from error
        raise
