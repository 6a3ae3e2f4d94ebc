"""Several coupons on one cart: which go together, and what they take off."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..refusals import (
    CurrencyMismatch,
    DoesNotFit,
    ExclusiveGroup,
    NoSaving,
    NotCombinable,
)
from .cart import Cart
from .offer import Offer, Saving, offer
from .terms import Terms


@dataclass(frozen=True, slots=True)
class Combined:
    """What several coupons take off.

    `applied` is in the order in which they were applied. `left_out` has the others' codes, each
    with the name of a refusal. `lines` are the shares of all, summed.
    """

    applied: tuple[Saving, ...]
    left_out: tuple[tuple[str, str], ...]
    discount: Decimal
    final: Decimal
    lines: tuple[Decimal, ...]


def combine(terms: Iterable[Terms], cart: Cart) -> Combined:
    """Apply coupons one after the other, in their order, and leave out those that can't join.

    Where the first in order is not combinable it goes alone; otherwise later ones that are not
    combinable stay out. Of an exclusive group the first goes. Of several currencies, that of the
    first. A coupon that would take nothing off stays out and stops nobody; one that is asked for
    by itself is applied as `saving` does it.
    """
    offers, left_out = offers_of(terms, cart)
    if len(offers) == 1 and not left_out:
        # Nothing else to combine with: what judging it has worked out already.
        return _sum([offers[0].alone], [], cart)
    applied: list[Saving] = []
    left: list[int] = []
    for one in offers:
        reason = _conflict(one.terms, [other.terms for other in applied])
        if reason is None:
            # Until somebody has taken something, the next one's currency is the set's.
            left = left if applied else list(cart.lines.units(one.terms.exponent))
            taken = one.apply(left)
            if taken.amount:
                applied.append(taken)
                continue
            reason = NoSaving.name
        left_out.append((one.terms.code, reason))
    return _sum(applied, left_out, cart)


def _sum(applied: Sequence[Saving], left_out: Iterable[tuple[str, str]], cart: Cart) -> Combined:
    discount = sum((one.amount for one in applied), Decimal(0))
    if len(applied) == 1:
        lines = applied[0].lines
    elif applied:
        shares = zip(*(one.lines for one in applied), strict=True)
        lines = tuple(sum(share, Decimal(0)) for share in shares)
    else:
        lines = tuple(Decimal(0) for _ in cart.items)
    return Combined(tuple(applied), tuple(left_out), discount, cart.total - discount, lines)


def offers_of(terms: Iterable[Terms], cart: Cart) -> tuple[list[Offer], list[tuple[str, str]]]:
    """Match each code once, and sort out those that do not fit.

    Returns those that fit in the order of combining, and the others by code with the reason.
    """
    offers, refused = [], []
    for one in {one.code: one for one in terms}.values():
        try:
            offers.append(offer(one, cart))
        except DoesNotFit as refusal:
            refused.append((one.code, refusal.name))
    return sorted(offers, key=lambda offer: offer.order), sorted(refused)


def _conflict(terms: Terms, applied: Sequence[Terms]) -> str | None:
    """Say why a coupon may not join these."""
    if not applied:
        return None
    if not (terms.combinable and applied[0].combinable):
        return NotCombinable.name
    if (terms.currency, terms.exponent) != (applied[0].currency, applied[0].exponent):
        return CurrencyMismatch.name
    if terms.exclusive_group and any(
        other.exclusive_group == terms.exclusive_group for other in applied
    ):
        return ExclusiveGroup.name
    return None
