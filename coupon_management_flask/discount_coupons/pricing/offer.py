"""One coupon on one cart: what it takes off, of which lines, and how that came about."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from ...models.kinds import DiscountBase, DiscountType
from ..refusals import MinimumNotReached, NoEligibleProducts
from . import units
from .cart import Cart, CartLines
from .terms import Terms


@dataclass(frozen=True, slots=True)
class Steps:
    """How an amount came about.

    `applied_to` is what a percentage was taken of, `available` what was left of the lines that
    match.
    """

    applied_to: Decimal
    available: Decimal
    raw: Decimal
    capped: Decimal
    rounded: Decimal


@dataclass(frozen=True, slots=True)
class Saving:
    """What one coupon takes off. `lines` is each item's share by position, empty without items."""

    terms: Terms
    amount: Decimal
    lines: tuple[Decimal, ...]
    steps: Steps

    @property
    def code(self) -> str:
        return self.terms.code


class Offer:
    """A coupon that fits the cart, with its figures as integers.

    Raises: MinimumNotReached, NoEligibleProducts or CurrencyMismatch, the first that holds.
    """

    def __init__(self, terms: Terms, lines: CartLines) -> None:
        if terms.minimum is not None and lines.cart.total < terms.minimum:
            least = units.whole_units(terms.minimum, terms.exponent)
            raise MinimumNotReached(
                currency=terms.currency, amount=units.decimal(least, terms.exponent)
            )
        positions = lines.matching(terms)
        if not positions:
            raise NoEligibleProducts
        of_lines = lines.units(terms.exponent)
        self.terms = terms
        self.positions = positions
        self.initial = [of_lines[position] for position in positions]
        self.initial_sum = sum(self.initial)
        self.is_percentage = terms.type == DiscountType.PERCENTAGE
        self.sees_initial = self.is_percentage and terms.base == DiscountBase.INITIAL
        self._lines = lines
        numerator, denominator = terms.discount.as_integer_ratio()
        # Of a percentage, what is taken for each unit; of a fixed discount, units.
        self._ratio = (
            (numerator, denominator * 100)
            if self.is_percentage
            else (numerator * 10**terms.exponent, denominator)
        )
        self._maximum = (
            None if terms.maximum is None else units.whole_units(terms.maximum, terms.exponent)
        )
        self.own = self.amount(self.initial_sum)

    @cached_property
    def alone(self) -> Saving:
        """What it takes off the untouched cart."""
        return self.apply(list(self._lines.units(self.terms.exponent)))

    @property
    def order(self) -> tuple[int, Decimal, str]:
        """By what coupons of a set are sorted."""
        return (-self.terms.priority, -self.saved(self.own), self.terms.code)

    def saved(self, amount: int) -> Decimal:
        return units.decimal(amount, self.terms.exponent)

    def amount(self, left: int) -> int:
        """Return what it takes off, in units, where `left` is left of the lines that match.

        The caps are whole units, so rounding before them gives the same as rounding after.
        """
        numerator, denominator = self._ratio
        if self.is_percentage:
            numerator *= self.initial_sum if self.sees_initial else left
        amount = min((2 * numerator + denominator) // (2 * denominator), left)
        return amount if self._maximum is None else min(amount, self._maximum)

    def shares(self, amount: int, left: Sequence[int]) -> list[int]:
        """Return each matching line's share, where this is left of each."""
        if not self.sees_initial:
            return units.largest_remainder(amount, left)
        wanted = units.largest_remainder(amount, self.initial)
        shares = [min(share, most) for share, most in zip(wanted, left, strict=True)]
        rest = amount - sum(shares)
        if not rest:
            return shares
        more = units.largest_remainder(
            rest, [most - share for share, most in zip(shares, left, strict=True)]
        )
        return [share + added for share, added in zip(shares, more, strict=True)]

    def apply(self, left: list[int]) -> Saving:
        """Take the coupon's amount off what is left of the cart's lines."""
        room = [left[position] for position in self.positions]
        available = sum(room)
        amount = self.amount(available)
        lines = [0] * len(left)
        for position, share in zip(self.positions, self.shares(amount, room), strict=True):
            lines[position] = share
            left[position] -= share
        shares = tuple(self.saved(share) for share in lines) if self._lines.cart.items else ()
        return Saving(self.terms, self.saved(amount), shares, self._steps(available, amount))

    def _steps(self, left: int, amount: int) -> Steps:
        terms = self.terms
        available = self.saved(left)
        applied_to = self.saved(self.initial_sum) if self.sees_initial else available
        raw = applied_to * terms.discount / 100 if self.is_percentage else terms.discount
        capped = (
            min(raw, available) if terms.maximum is None else min(raw, available, terms.maximum)
        )
        return Steps(applied_to, available, raw, capped, self.saved(amount))


def offer(terms: Terms, cart: Cart) -> Offer:
    """Match a coupon with a cart, once for each of the two. Raises what `Offer` raises."""
    known = cart.lines.offers
    found = known.get(terms)
    if found is None:
        found = known[terms] = Offer(terms, cart.lines)
    return found


def saving(terms: Terms, cart: Cart) -> Saving:
    """Return what this coupon alone takes off this cart.

    It may be nothing, and is never more than what the coupon applies to.

    Raises: MinimumNotReached, NoEligibleProducts or CurrencyMismatch, the first that holds.
    """
    return offer(terms, cart).alone
