"""Use cases of the credit-coupon contract."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..core import clock, codes, errors, stock, wallet
from ..core.claims import claim_or_explain
from ..db.failures import broken_constraint, retried
from ..db.session import AnyRow, AnySelect, db, transaction
from ..db.types import Moment
from ..identity import accounts, failed_attempts
from ..models import Account, CreditCoupon, LedgerEntry, Redemption, Stock, Wallet, new_id
from ..web.guard import Actor
from ..web.pagination import Page, paginate
from .errors import (
    CouponAlreadyUsed,
    CouponExhausted,
    CouponExpired,
    CouponInactive,
    CouponNotFound,
    HiddenCodeTaken,
    UserNotFound,
    WrongHiddenCode,
)

KIND = "credit"
# 31 ** 12 codes: a million coupons leave a guess a chance of one in 10 ** 11.
GENERATED_CODE_LENGTH = 12

_coupons: Any = CreditCoupon.__table__

_CLAIMING = stock.Claiming(
    KIND,
    "credit_coupon",
    only_if=[
        sa.exists().where(
            CreditCoupon.id == stock.given("coupon_id", sa.Uuid),
            CreditCoupon.is_active,
            CreditCoupon.expiration_date > stock.given("now", Moment),
            # Somebody may have changed the price since it was read: nobody pays what is no longer asked.
            CreditCoupon.value == stock.given("price", sa.BigInteger),
        )
    ],
)

_PUBLIC_COLUMNS = (
    CreditCoupon.id,
    CreditCoupon.name,
    CreditCoupon.value,
    (Stock.capacity - Stock.claimed).label("number_left"),
    CreditCoupon.expiration_date,
    CreditCoupon.is_active.label("active"),
)
_WITH_CODE = (*_PUBLIC_COLUMNS, CreditCoupon.hidden_code, CreditCoupon.stock_id)


def _select_coupons(*columns: Any) -> AnySelect:
    return sa.select(*columns).join(Stock, Stock.id == CreditCoupon.stock_id)


def list_coupons(*, page: int, per_page: int, all: bool, reader_is_administrator: bool) -> Page:
    """Active coupons that have not expired, by creation. Administrators see hidden codes and, with `all`, the others too; `all` is Forbidden to anyone else."""
    if all and not reader_is_administrator:
        raise errors.Forbidden
    statement = _select_coupons(
        *(_WITH_CODE if reader_is_administrator else _PUBLIC_COLUMNS)
    ).order_by(CreditCoupon.id)
    if not all:
        statement = statement.where(
            CreditCoupon.is_active, CreditCoupon.expiration_date > clock.now()
        )
    return paginate(statement, page, per_page)


def look_up(hidden_code: str, guess_limits: failed_attempts.Limits) -> AnyRow:
    """The coupon with that hidden code. Raises CouponNotFound (a wrong guess, which counts) and RateLimited."""
    failed_attempts.check(guess_limits)
    coupon = _by_code(hidden_code)
    if coupon is None:
        failed_attempts.count_wrong(guess_limits)
        raise CouponNotFound
    return coupon


def _by_code(hidden_code: str) -> AnyRow | None:
    return db.session.execute(
        _select_coupons(*_WITH_CODE).where(
            CreditCoupon.hidden_code_key == codes.comparable(hidden_code)
        )
    ).one_or_none()


def _by_id(coupon_id: UUID) -> AnyRow:
    coupon = db.session.execute(
        _select_coupons(*_WITH_CODE).where(CreditCoupon.id == coupon_id)
    ).one_or_none()
    if coupon is None:
        raise CouponNotFound
    return coupon


@dataclass(frozen=True, slots=True)
class CouponUse:
    """A use of a coupon, and the credit that its user has left."""

    redemption: dict[str, Any]
    credit: int


def use_by_code(
    account_id: UUID, hidden_code: str, guess_limits: failed_attempts.Limits
) -> CouponUse:
    """Buys and uses the coupon with that hidden code; raises what `look_up` and `use` raise."""
    return use(account_id, look_up(hidden_code, guess_limits))


def use_chosen(
    account_id: UUID, coupon_id: UUID, hidden_code: str, guess_limits: failed_attempts.Limits
) -> CouponUse:
    """Buys and uses that coupon. Raises CouponNotFound, WrongHiddenCode (which counts as a wrong guess), RateLimited and what `use` raises."""
    failed_attempts.check(guess_limits)
    coupon = _by_id(coupon_id)
    if codes.comparable(coupon.hidden_code) != codes.comparable(hidden_code):
        failed_attempts.count_wrong(guess_limits)
        raise WrongHiddenCode
    return use(account_id, coupon)


@retried
def use(account_id: UUID, coupon: AnyRow) -> CouponUse:
    """Takes one use of the coupon and pays for it with credit, in one transaction.

    Raises CouponInactive, CouponExpired, CouponExhausted, CouponAlreadyUsed or InsufficientCredit: the first that applies, in this order.
    """

    def explain() -> AnyRow:
        _explain(account_id, coupon.id)
        return _by_id(coupon.id)

    return claim_or_explain(
        lambda seen: _claim(account_id, seen), coupon, explain, lost=(errors.Refused,)
    )


def _claim(account_id: UUID, coupon: AnyRow) -> CouponUse:
    redemption_id = new_id()
    with transaction():
        entry = wallet.debit(account_id, coupon.value, reason="coupon", reference=redemption_id)
        claimed = _CLAIMING.claim(
            coupon.stock_id,
            claim_key=stock.once_each_user(account_id),
            account_id=account_id,
            code=coupon.hidden_code,
            amount=coupon.value,
            redemption_id=redemption_id,
            coupon_id=coupon.id,
            price=coupon.value,
            now=clock.now(),
        )
    left = {"number_left": None if claimed.capacity is None else claimed.capacity - claimed.claimed}
    shown = {
        column: value for column, value in coupon._mapping.items() if column != "hidden_code"
    } | left
    redemption = {
        "id": redemption_id,
        "coupon": shown,
        "credit_spent": coupon.value,
        "redeemed_at": claimed.redeemed_at,
    }
    return CouponUse(redemption, entry.balance_after)


def _explain(account_id: UUID, coupon_id: UUID) -> None:
    """Raises the first rule of the contract's order that refuses as things stand; returns where none does."""
    used = sa.exists().where(
        Redemption.stock_id == CreditCoupon.stock_id,
        Redemption.claim_key == stock.once_each_user(account_id),
    )
    seen = db.session.execute(
        _select_coupons(*_PUBLIC_COLUMNS, used.label("used"), Wallet.balance)
        .outerjoin(Wallet, Wallet.account_id == account_id)
        .where(CreditCoupon.id == coupon_id)
    ).one()
    if not seen.active:
        raise CouponInactive
    if seen.expiration_date <= clock.now():
        raise CouponExpired
    if seen.number_left < 1:
        raise CouponExhausted
    if seen.used:
        raise CouponAlreadyUsed
    if (seen.balance or 0) < seen.value:
        raise errors.InsufficientCredit


def list_uses(account_id: UUID, *, page: int, per_page: int) -> Page:
    """What this user bought, newest first."""
    found = paginate(
        sa.select(
            Redemption.id.label("redemption_id"),
            Redemption.amount,
            Redemption.created_at.label("redeemed_at"),
            *_PUBLIC_COLUMNS,
        )
        .join(CreditCoupon, CreditCoupon.stock_id == Redemption.stock_id)
        .join(Stock, Stock.id == Redemption.stock_id)
        .where(Redemption.account_id == account_id, Redemption.kind == KIND)
        .order_by(Redemption.created_at.desc(), Redemption.id.desc()),
        page,
        per_page,
    )
    uses = [
        {
            "id": row.redemption_id,
            "coupon": row,
            "credit_spent": row.amount,
            "redeemed_at": row.redeemed_at,
        }
        for row in found.items
    ]
    return Page(uses, found.total, found.number, found.size)


def create_coupon(
    *,
    name: str,
    value: int,
    number_left: int,
    expiration_date: datetime,
    active: bool,
    hidden_code: str | None = None,
) -> AnyRow:
    """A new coupon; without a hidden code it gets one that can't be guessed. Raises HiddenCodeTaken."""
    code = hidden_code if hidden_code is not None else codes.generate(GENERATED_CODE_LENGTH)
    coupon_id = new_id()
    with transaction(), _unique_code():
        db.session.execute(
            sa.insert(_coupons).values(
                id=coupon_id,
                name=name,
                value=value,
                hidden_code=code,
                hidden_code_key=codes.comparable(code),
                stock_id=stock.create(capacity=number_left),
                expiration_date=expiration_date,
                is_active=active,
                created_at=clock.now(),
            )
        )
        return _by_id(coupon_id)


def change_coupon(coupon_id: UUID, changes: dict[str, Any]) -> AnyRow:
    """Changes what is named and nothing else; `number_left` sets what is left, whatever is used meanwhile. Raises CouponNotFound, HiddenCodeTaken."""
    columns: dict[str, Any] = {
        name: changes[name] for name in ("name", "value", "expiration_date") if name in changes
    }
    if "active" in changes:
        columns["is_active"] = changes["active"]
    if "hidden_code" in changes:
        columns |= {
            "hidden_code": changes["hidden_code"],
            "hidden_code_key": codes.comparable(changes["hidden_code"]),
        }
    coupon = _by_id(coupon_id)
    with transaction(), _unique_code():
        if "number_left" in changes:
            stock.set_left(coupon.stock_id, changes["number_left"])
        if columns:
            db.session.execute(
                sa.update(_coupons).where(_coupons.c.id == coupon_id).values(**columns)
            )
        return _by_id(coupon_id)


def deactivate_coupon(coupon_id: UUID) -> AnyRow:
    """Nobody can use it from now on; who used it still has it in the history. Raises CouponNotFound."""
    return change_coupon(coupon_id, {"active": False})


class _unique_code:
    """Names the one rule that the database may find broken in here."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, IntegrityError) and "hidden_code_key" in broken_constraint(error):
            raise HiddenCodeTaken from error


_USER_COLUMNS = (Account.id, Account.username, Account.name, Wallet.balance.label("credit"))


def _select_users() -> AnySelect:
    return (
        sa.select(*_USER_COLUMNS)
        .join(Wallet, Wallet.account_id == Account.id)
        .where(Account.kind == "user")
    )


def list_users(*, page: int, per_page: int) -> Page:
    """All users, by registration."""
    return paginate(_select_users().order_by(Account.id), page, per_page)


def read_user(user_id: UUID, *, reader: Actor) -> AnyRow:
    """A user, for itself or an administrator. Raises UserNotFound, Forbidden."""
    user = db.session.execute(_select_users().where(Account.id == user_id)).one_or_none()
    if user is None:
        raise UserNotFound
    if user_id != reader.id and not reader.is_administrator:
        raise errors.Forbidden
    return user


def create_user(
    *, username: str, password: str, name: str, credit: int, email: str | None = None
) -> AnyRow:
    """A new user with a wallet. Raises UsernameTaken, EmailTaken, Invalid for a username that would pass for somebody's e-mail."""
    with transaction():
        user_id = accounts.create_user(
            username=username, password=password, name=name, email=email, credit=credit
        )
        return db.session.execute(_select_users().where(Account.id == user_id)).one()


def read_ledger(user_id: UUID, *, reader: Actor, page: int, per_page: int) -> Page:
    """What came into and went out of a user's wallet, newest first, for itself or an administrator. Raises UserNotFound, Forbidden."""
    read_user(user_id, reader=reader)
    return paginate(
        sa.select(*LedgerEntry.__table__.c)
        .where(LedgerEntry.account_id == user_id)
        .order_by(LedgerEntry.created_at.desc(), LedgerEntry.id.desc()),
        page,
        per_page,
    )


@dataclass(frozen=True, slots=True)
class CreditChanged:
    user: AnyRow
    entry: AnyRow


@retried
def change_credit(
    user_id: UUID, *, amount: int, reason: str, administrator_id: UUID
) -> CreditChanged:
    """Grants credit (takes it where `amount` is negative). Raises UserNotFound, InsufficientCredit where it would go below zero."""
    with transaction():
        try:
            entry = wallet.change(user_id, amount, reason=reason, reference=administrator_id)
        except errors.NotFound as error:
            raise UserNotFound from error
        return CreditChanged(
            db.session.execute(_select_users().where(Account.id == user_id)).one(), entry
        )
