"""Orders that are given a discount: coupons are redeemed for one, all or none, and rolled back.

What a rule needs to be told and explained later is kept with it: the terms, the cart and the figures of that moment.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..core import clock, errors, limits, money, stock
from ..core.claims import Overtaken, claim_or_explain
from ..core.stock import given
from ..db.dialects import is_postgresql, rows_changed
from ..db.failures import broken_constraint, retried
from ..db.session import AnyRow, commits_alone, db, transaction
from ..db.statements import Prepared
from ..models import DiscountCoupon, OrderRedemption, OrderRedemptionCode, new_id
from . import coupon_limits, events
from . import rules as checkout
from .pricing.combine import Cart, Combined
from .refusals import CouponNotFound, OrderAlreadyRedeemed, RedemptionNotFound
from .rules import SELECT, Caller, Judgement

KIND = "discount"

_coupons: Any = DiscountCoupon.__table__
_orders: Any = OrderRedemption.__table__
_codes: Any = OrderRedemptionCode.__table__

# The terms must be those that were looked at: who changes them holds the stock and raises the version.
_UNCHANGED = sa.exists().where(
    _coupons.c.id == given("coupon_id", sa.Uuid), _coupons.c.version == given("version", sa.Integer)
)
_CLAIMING = stock.Claiming(KIND, "discount", only_if=[_UNCHANGED], after=stock.LOCK)


def _write_order(taken: Any) -> Any:
    """The order's row with its claim. JSON comes as text, for what is prepared knows no other."""
    names = (
        "account_id",
        "order_id",
        "fingerprint",
        "customer_id",
        "currency",
        "original",
        "discount",
        "created_at",
    )
    texts = ("answer", "snapshot", "rollbacks")
    values = {
        "id": given("order_redemption_id", sa.Uuid),
        **{name: given(name, _orders.c[name].type) for name in names},
        "order_key": given("order_id", sa.Text),
        **{name: sa.cast(given(name, sa.Text), sa.JSON) for name in texts},
        "version": sa.literal(1, sa.Integer),
    }
    return sa.insert(_orders).from_select(
        [*values], sa.select(*values.values()).select_from(taken), include_defaults=False
    )


def _write_only_code(taken: Any) -> Any:
    values = {
        "order_redemption_id": given("order_redemption_id", sa.Uuid),
        "position": sa.literal(0, sa.Integer),
        **{
            name: given(name, _codes.c[name].type)
            for name in ("code", "coupon_id", "redemption_id", "amount")
        },
        "lines": sa.cast(given("lines", sa.Text), sa.JSON),
    }
    return sa.insert(_codes).from_select(
        [*values], sa.select(*values.values()).select_from(taken), include_defaults=False
    )


# On PostgreSQL, an order that takes one use of one code and nothing else: one statement, which commits itself.
_CLAIMING_ORDER = stock.Claiming(
    KIND,
    "discount_order",
    only_if=[_UNCHANGED],
    riders=[_write_order, _write_only_code],
    after=stock.LOCK,
)


class OrderTaken(Overtaken):
    """Somebody has redeemed this order just now."""


_EXISTING = Prepared(
    "order_redeemed",
    sa.select(_orders.c.fingerprint, _orders.c.answer).where(
        _orders.c.account_id == sa.bindparam("account_id", type_=sa.Uuid),
        _orders.c.order_key == sa.bindparam("order_key", type_=sa.Text),
    ),
)


def redeem(
    caller: Caller, codes: Sequence[str], order_id: str, cart: Cart
) -> tuple[dict[str, Any], bool]:
    """Takes one use of each code for an order, all or none, and says what it is worth; and whether that happened just now or before.

    Raises OrderAlreadyRedeemed for an order of the caller that has other codes, another cart or another customer; otherwise CouponNotFound, the first
    refusal in the contract's order, or why a code can't be combined with the others.
    """
    fingerprint = _fingerprint(codes, cart, caller.customer_id)

    def look() -> dict[str, Any] | tuple[list[Judgement], Combined]:
        answer = _earlier_answer(caller, order_id, fingerprint)
        if answer is not None:
            return answer
        try:
            judgements = checkout.decide_all(caller, codes, cart)
            return judgements, checkout.combine_all(judgements, cart)
        except (errors.Refused, errors.NotFound):
            # What refuses may be this very order, redeemed by somebody between the two looks.
            answer = _earlier_answer(caller, order_id, fingerprint)
            if answer is None:
                raise
            return answer

    def claim_seen(
        seen: dict[str, Any] | tuple[list[Judgement], Combined],
    ) -> tuple[dict[str, Any], bool]:
        return (
            (seen, False)
            if isinstance(seen, dict)
            else (claim(caller, *seen, order_id, cart), True)
        )

    return claim_or_explain(claim_seen, look(), look)


def _earlier_answer(caller: Caller, order_id: str, fingerprint: str) -> dict[str, Any] | None:
    """What this order was told before, None for a new one. Raises OrderAlreadyRedeemed."""
    existing = _EXISTING.execute(
        {"account_id": caller.account_id, "order_key": order_id}
    ).one_or_none()
    if existing is None:
        return None
    if existing.fingerprint != fingerprint:
        raise OrderAlreadyRedeemed
    return existing.answer  # type: ignore[no-any-return]


def _fingerprint(codes: Sequence[str], cart: Cart, customer_id: str | None) -> str:
    items = [
        [item.product_id, item.category, item.quantity, str(item.unit_price.normalize())]
        for item in cart.items
    ]
    told = [
        sorted(codes),
        str(cart.total.normalize()),
        items,
        [] if items else sorted(cart.product_ids),
        customer_id,
    ]
    return hashlib.sha256(orjson.dumps(told)).hexdigest()


@retried
def claim(
    caller: Caller, judgements: Sequence[Judgement], combined: Combined, order_id: str, cart: Cart
) -> dict[str, Any]:
    """Takes one use of each judged coupon for an order that has none yet, and gives the answer that is kept with it; `redemption_id` is in it.

    Raises Exhausted where a coupon was used up or changed since it was judged, LimitReached, and OrderTaken. An open transaction must then be rolled back.
    """
    redemption_id, now = new_id(), clock.now()
    by_code = {judgement.coupon.code: judgement for judgement in judgements}
    currency = judgements[0].coupon.currency
    # All of it is made before anything is locked: of a large cart it takes a while.
    applied = [(by_code[one.code].coupon, one, new_id()) for one in combined.applied]
    answer = _answer(redemption_id, combined, cart)
    order = {
        "id": redemption_id,
        "account_id": caller.account_id,
        "order_id": order_id,
        "order_key": order_id,
        "fingerprint": _fingerprint(
            [judgement.coupon.code for judgement in judgements], cart, caller.customer_id
        ),
        "customer_id": caller.customer_id,
        "currency": currency,
        "original": money.to_minor(cart.total, currency),
        "discount": money.to_minor(combined.discount, currency),
        "answer": answer,
        "snapshot": _snapshot(judgements, combined, cart, now),
        "rollbacks": [],
        "version": 1,
        "created_at": now,
    }
    codes = [
        {
            "order_redemption_id": redemption_id,
            "position": position,
            "code": coupon.code,
            "coupon_id": coupon.id,
            "redemption_id": claim_id,
            "amount": money.to_minor(one.amount, currency),
            "lines": [money.to_minor(share, currency) for share in one.lines],
        }
        for position, (coupon, one, claim_id) in enumerate(applied)
    ]
    takes = [
        take
        for (coupon, _, claim_id), code in zip(applied, codes, strict=True)
        for take in coupon_limits.takes(
            coupon, caller.customer_id, now, amount=code["amount"], redemption_id=claim_id
        )
    ]
    first_orders = sorted(claim_id for coupon, _, claim_id in applied if coupon.first_order_only)
    if first_orders and caller.customer_id is not None:
        takes.append(
            limits.Take(coupon_limits.first_order(caller.customer_id), 1, 1, first_orders[0])
        )
    try:
        # A webhook that is made at this very moment is told of the next order.
        if (
            is_postgresql()
            and commits_alone()
            and len(codes) == 1
            and not takes
            and not events.of_orders_are_wanted()
        ):
            _claim_in_one(applied[0][0], order, codes[0])
        else:
            _claim_in_several([coupon for coupon, _, _ in applied], order, codes, takes)
    except IntegrityError as error:
        if "order_key" in broken_constraint(error):
            raise OrderTaken from error
        raise
    return answer


def _claim_in_one(coupon: AnyRow, order: dict[str, Any], code: dict[str, Any]) -> None:
    names = (
        "account_id",
        "order_id",
        "fingerprint",
        "customer_id",
        "currency",
        "original",
        "discount",
    )
    texts: dict[str, Any] = {
        name: orjson.dumps(order[name]).decode() for name in ("answer", "snapshot", "rollbacks")
    }
    _CLAIMING_ORDER.claim(
        coupon.stock_id,
        claim_key=_claim_key(order),
        order_redemption_id=order["id"],
        coupon_id=coupon.id,
        version=coupon.version,
        **{name: order[name] for name in names},
        **{name: code[name] for name in ("redemption_id", "code", "amount")},
        **texts,
        lines=orjson.dumps(code["lines"]).decode(),
    )


def _claim_in_several(
    coupons: Sequence[AnyRow],
    order: dict[str, Any],
    codes: Sequence[dict[str, Any]],
    takes: Sequence[limits.Take],
) -> None:
    with transaction():
        for coupon, code in sorted(
            zip(coupons, codes, strict=True), key=lambda pair: pair[0].stock_id
        ):
            claimed = _CLAIMING.claim(
                coupon.stock_id,
                claim_key=_claim_key(order),
                account_id=order["account_id"],
                redemption_id=code["redemption_id"],
                code=code["code"],
                amount=code["amount"],
                currency=order["currency"],
                coupon_id=coupon.id,
                version=coupon.version,
            )
            if claimed.claimed == claimed.capacity:
                events.coupon_exhausted(coupon, uses=claimed.claimed)
        limits.take_within(takes)
        db.session.execute(sa.insert(_orders).values(**order))
        db.session.execute(sa.insert(_codes), list(codes))
        events.redeemed(
            order["answer"], order_id=order["order_id"], customer_id=order["customer_id"]
        )


def _claim_key(order: dict[str, Any]) -> str:
    return f"order:{order['id']}"


def _answer(redemption_id: UUID, combined: Combined, cart: Cart) -> dict[str, Any]:
    """What the shop is told, in a form that is stored as it is: told again, it is the same."""
    codes = [{"code": one.code, "discount_amount": one.amount} for one in combined.applied]
    return _plain(  # type: ignore[no-any-return]
        {
            "redemption_id": redemption_id,
            "codes": codes,
            **checkout.totals(cart, combined.discount, combined.lines),
        }
    )


def _plain(value: Any) -> Any:
    """The same as JSON has it, with amounts as numbers."""
    return orjson.loads(orjson.dumps(value, _written, orjson.OPT_PASSTHROUGH_DATETIME))


def _written(value: Any) -> Any:
    match value:
        case Decimal():
            return money.number(value)
        case datetime():
            return clock.rfc3339(value)
    raise TypeError(type(value).__name__)


def increment_usage(caller: Caller, code: str) -> AnyRow:
    """A use without an order: takes one, by all rules that need neither a cart nor a customer. Raises CouponNotFound and the first refusal."""

    def look() -> AnyRow:
        coupon = checkout.find(caller, [code]).get(code)
        if coupon is None:
            raise CouponNotFound
        judgement = checkout.judge(coupon, checkout.see([coupon], None), None, None)
        if judgement.refusal is not None:
            raise judgement.refusal
        return coupon

    return claim_or_explain(lambda coupon: _count_use(caller, coupon), look(), look)


@retried
def _count_use(caller: Caller, coupon: AnyRow) -> AnyRow:
    claim_id = new_id()
    with transaction():
        claimed = _CLAIMING.claim(
            coupon.stock_id,
            claim_key=stock.repeatable_key(caller.account_id, claim_id),
            account_id=caller.account_id,
            redemption_id=claim_id,
            code=coupon.code,
            currency=coupon.currency,
            coupon_id=coupon.id,
            version=coupon.version,
        )
        limits.take_within(
            coupon_limits.takes(coupon, None, clock.now(), amount=0, redemption_id=claim_id)
        )
        if claimed.claimed == claimed.capacity:
            events.coupon_exhausted(coupon, uses=claimed.claimed)
        return db.session.execute(SELECT.where(_coupons.c.id == coupon.id)).one()


# --- Rolling back

LISTED = [
    _orders.c[name]
    for name in (
        "id",
        "order_id",
        "customer_id",
        "currency",
        "original",
        "discount",
        "rollbacks",
        "created_at",
        "rolled_back_at",
    )
]


def read_order(redemption_id: UUID, *more: Any) -> AnyRow:
    """An order's redemption, with further columns. Raises RedemptionNotFound."""
    found = db.session.execute(
        sa.select(*LISTED, *more).where(_orders.c.id == redemption_id)
    ).one_or_none()
    if found is None:
        raise RedemptionNotFound
    return found


def codes_of(redemption_ids: Sequence[UUID]) -> dict[UUID, list[AnyRow]]:
    """The codes of each order's redemption, in the order in which they were applied."""
    found: dict[UUID, list[AnyRow]] = {redemption_id: [] for redemption_id in redemption_ids}
    rows = db.session.execute(
        sa.select(_codes)
        .where(_codes.c.order_redemption_id.in_(redemption_ids))
        .order_by(_codes.c.order_redemption_id, _codes.c.position)
    )
    for row in rows:
        found[row.order_redemption_id].append(row)
    return found


@retried
def roll_back(
    redemption_id: UUID, *, reason: str, restore: dict[str, bool], lines: list[int] | None
) -> dict[str, Any]:
    """Takes an order's redemption back, or these lines of it: what it took of every limit named by `restore` comes back, exactly once.

    A line brings back its share of the budget; uses, and what counts customers and days, come back when the last line has gone. Asked again, the
    answer is the first one. Raises RedemptionNotFound, Invalid for lines that there are not.
    """
    read_order(redemption_id)
    codes = codes_of([redemption_id])[redemption_id]
    count = len(codes[0].lines)
    if lines is not None and not all(position < count for position in lines):
        raise errors.Invalid(
            {
                "lines": [
                    f"This redemption has {count} lines, counted from 0."
                    if count
                    else "This redemption was made without items."
                ]
            }
        )
    with transaction():
        stock.lock(stock.stocks_of([code.redemption_id for code in codes]))
        order = read_order(redemption_id, _orders.c.version)
        earlier = order.rollbacks
        gone = (
            set(range(count))
            if order.rolled_back_at is not None
            else {position for one in earlier for position in one["lines"] or ()}
        )
        asked = set(range(count)) if lines is None else set(lines)
        if order.rolled_back_at is not None or (asked and asked <= gone):
            return _same_answer(earlier, lines)
        new = sorted(asked - gone)
        is_whole = not count or len(gone) + len(new) == count
        amounts = [
            code.amount if not count else sum(code.lines[position] for position in new)
            for code in codes
        ]
        now = clock.now()
        answer = _plain(
            {
                "redemption_id": redemption_id,
                "status": "rolled_back" if is_whole else "partly_rolled_back",
                "reason": reason,
                "lines": None if lines is None and not gone else new,
                "restore": restore,
                "discount_amount": money.from_minor(sum(amounts), order.currency),
                "rolled_back_at": now,
            }
        )
        _give_back(codes, amounts, restore, is_whole=is_whole)
        changed = db.session.execute(
            sa.update(_orders)
            .where(_orders.c.id == redemption_id, _orders.c.version == order.version)
            .values(
                rollbacks=[*earlier, {**answer, "asked": lines}],
                version=order.version + 1,
                **({"order_key": None, "rolled_back_at": now} if is_whole else {}),
            )
        )
        if not rows_changed(changed):
            raise errors.Unavailable
        events.rolled_back(answer, order_id=order.order_id, customer_id=order.customer_id)
    return answer  # type: ignore[no-any-return]


def _give_back(
    codes: Sequence[AnyRow], amounts: Sequence[int], restore: dict[str, bool], *, is_whole: bool
) -> None:
    rules = [
        rule
        for name, rules in coupon_limits.GIVEN_BACK_AS.items()
        for rule in rules
        if restore[name] and rule != coupon_limits.BUDGET
    ]
    back: list[tuple[UUID, str, int | None]] = []
    for code, amount in zip(codes, amounts, strict=True):
        if is_whole:
            back += [(code.redemption_id, rule, None) for rule in rules]
        if restore["budget"] and amount:
            back.append((code.redemption_id, coupon_limits.BUDGET, amount))
    limits.give_back(back)
    if is_whole and restore["use"]:
        for code in codes:
            stock.release(code.redemption_id)


def _same_answer(earlier: list[dict[str, Any]], lines: list[int] | None) -> dict[str, Any]:
    """What was answered when this was asked before; to what was done by other calls, the last of them."""
    same = [one for one in earlier if one["asked"] is None and lines is None] + [
        one
        for one in earlier
        if one["asked"] is not None and lines is not None and set(one["asked"]) == set(lines)
    ]
    return (same or earlier[-1:])[0]


# --- What is kept for explaining it


def _snapshot(
    judgements: Sequence[Judgement], combined: Combined, cart: Cart, now: datetime
) -> dict[str, Any]:
    """All that the decision was made by, so that it can be told and made again."""
    items = [
        {
            "productId": item.product_id,
            "quantity": item.quantity,
            "unitPrice": item.unit_price,
            **({"category": item.category} if item.category else {}),
        }
        for item in cart.items
    ]
    told = {
        "cartTotal": cart.total,
        **({"items": items} if items else {"productIds": sorted(cart.product_ids)}),
    }
    return {"cart": _exactly(told), "redeemed": part(judgements, combined, cart, now)}


def _exactly(value: Any) -> Any:
    """The same as JSON has it, with amounts as strings of decimals."""
    return orjson.loads(orjson.dumps(value, str))


def part(
    judgements: Sequence[Judgement], combined: Combined, cart: Cart, now: datetime
) -> dict[str, Any]:
    """A decision as it is told: each code with its terms, its rules and what they saw, and the figures step by step."""
    applied = {one.code: one for one in combined.applied}
    reasons = dict(combined.left_out)
    codes = []
    for judgement in judgements:
        one = applied.get(judgement.coupon.code)
        refusal = judgement.refusal
        codes.append(
            {
                "code": judgement.coupon.code,
                "coupon": events.SHAPES["coupon"](judgement.coupon),
                "rules": [
                    {"rule": rule.refusal.name, "passed": rule.passed, "saw": rule.saw}
                    for rule in judgement.rules
                ],
                "discount_amount": None if one is None else one.amount,
                "steps": []
                if one is None
                else [
                    {"step": _camel(name), "amount": amount}
                    for name, amount in asdict(one.steps).items()
                ],
                "error_code": refusal.name
                if refusal is not None
                else reasons.get(judgement.coupon.code),
            }
        )
    return _plain(  # type: ignore[no-any-return]
        {
            "at": now,
            "codes": codes,
            "discount_amount": combined.discount,
            "final_amount": cart.total - combined.discount,
        }
    )


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
