"""What coupons take off a cart: pure arithmetic, the same for the promise (validate, apply, apply-all, best) and for what is redeemed.

Where the contract leaves it open:

- Matching: `products` and `categories` add up (a line that is in either matches; both empty mean every product), exclusions win over them,
  and an unknown category is none. Without items, `product_ids` decide whether a coupon applies and the whole total is what it applies to.
- A `minPurchase` coupon applies to the whole cart but for what it excludes by name; `products` and `categories` do not narrow it.
  The minimum, of either kind of coupon, is compared with the whole initial total, also when others took something off before.
- An amount is rounded half-up to the currency's minor unit once, after the caps. In a combination, each coupon's amount is.
- Order: the higher `priority` first, then the larger saving on the untouched cart, then the code. A code given twice counts once.
- Shares go by what is left of each line; those of a percentage of the initial amount go by the lines' initial amounts,
  and what a line can't bear any more goes to the others, by what is left of them.

All is decided in whole minor units, for integers are exact and fast. In a combination a line's odd cent goes by position, so that the
order of the lines can move a total by a cent where coupons overlap in part; the total of one coupon never depends on it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import compress
from typing import Literal

from ...core import errors

EXACT_UP_TO = 12


class Refused(errors.Refused):
    """A coupon that does not fit this cart."""

    @property
    def reason(self) -> str:
        return self.name


class MinimumNotReached(Refused):
    name = "minimum_not_reached"

    def __init__(self, currency: str, amount: Decimal) -> None:
        super().__init__(currency=currency, amount=amount)


class NoEligibleProducts(Refused):
    name = "no_eligible_products"


class CurrencyMismatch(Refused):
    """The cart has decimals that the coupon's currency has not, so it must be in another one."""

    name = "currency_mismatch"


@dataclass(frozen=True, slots=True)
class Item:
    product_id: str
    quantity: int
    unit_price: Decimal
    category: str | None = None

    @property
    def total(self) -> Decimal:
        return self.unit_price * self.quantity


@dataclass(frozen=True)
class Cart:
    """What is bought. Where there are items, `total` must be their sum and `product_ids` is ignored; a negative amount or another sum is a ValueError."""

    total: Decimal
    product_ids: frozenset[str] = frozenset()
    items: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        totals = [item.total for item in self.items] or [self.total]
        if min(totals) < 0:
            raise ValueError("a cart has no negative amounts")
        if sum(totals) != self.total:
            raise ValueError("a cart's total is the sum of its items")

    @cached_property
    def _lines(self) -> "_Lines":
        # Kept, for many coupons are tried on one cart of up to 10,000 items.
        return _Lines(self)


@dataclass(frozen=True, slots=True)
class Terms:
    """A coupon as the arithmetic sees it. `exponent` is the number of the currency's decimals, `maximum` the most that it takes off."""

    code: str
    type: Literal["percentage", "fixed"]
    discount: Decimal
    coupon_for: Literal["product", "minPurchase"]
    currency: str
    exponent: int
    products: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    excluded_products: frozenset[str] = frozenset()
    excluded_categories: frozenset[str] = frozenset()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    combinable: bool = False
    exclusive_group: str | None = None
    priority: int = 0
    base: Literal["remaining", "initial"] = "remaining"

    def __post_init__(self) -> None:
        # The pruning in `best` stands on this: no coupon takes more than a cent for a cent.
        if self.discount < 0 or (self.type == "percentage" and self.discount > 100):
            raise ValueError("a discount is at least 0, a percentage at most 100")


@dataclass(frozen=True, slots=True)
class Steps:
    """How an amount came about: `applied_to` is what a percentage was taken of, `available` what was left of the lines that match."""

    applied_to: Decimal
    available: Decimal
    raw: Decimal
    capped: Decimal
    rounded: Decimal


@dataclass(frozen=True, slots=True)
class Saving:
    """What one coupon takes off; `lines` is each item's share by position, empty without items."""

    terms: Terms
    amount: Decimal
    lines: tuple[Decimal, ...]
    steps: Steps

    @property
    def code(self) -> str:
        return self.terms.code


@dataclass(frozen=True, slots=True)
class Combined:
    """What several coupons take off: `applied` in the order in which they were, `left_out` as codes with a reason, `lines` their shares summed."""

    applied: tuple[Saving, ...]
    left_out: tuple[tuple[str, str], ...]
    discount: Decimal
    final: Decimal
    lines: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Best:
    combined: Combined
    exact: bool


def saving(terms: Terms, cart: Cart) -> Saving:
    """What this coupon alone takes off this cart: possibly nothing, never more than what it applies to.

    Raises MinimumNotReached, NoEligibleProducts or CurrencyMismatch, the first that holds.
    """
    lines = cart._lines
    return _apply(_Offer(terms, lines), list(lines.units(terms.exponent)), cart)


def combine(terms: Iterable[Terms], cart: Cart) -> Combined:
    """Takes the coupons one after the other, in their order, and refuses none aloud: whoever does not take part is left out with a reason.

    Where the first in order is not combinable it goes alone, otherwise later ones that are not stay out. Of an exclusive group the first
    goes, of several currencies that of the first. Who would take nothing off stays out and stops nobody; a code by itself is applied as `saving` does.
    """
    lines = cart._lines
    offers, left_out = _offers(terms, lines)
    alone = len(offers) + len(left_out) == 1
    applied: list[Saving] = []
    left: list[int] = []
    for offer in offers:
        reason = _conflict(offer.terms, [other.terms for other in applied])
        if reason is None:
            # Until somebody has taken something, the next one's currency is the set's.
            left = left if applied else list(lines.units(offer.terms.exponent))
            taken = _apply(offer, left, cart)
            if taken.amount or alone:
                applied.append(taken)
                continue
            reason = "no_saving"
        left_out.append((offer.terms.code, reason))
    discount = sum((one.amount for one in applied), Decimal(0))
    shares = (
        zip(*(one.lines for one in applied), strict=True)
        if applied
        else ((Decimal(0),) for _ in cart.items)
    )
    return Combined(
        tuple(applied),
        tuple(left_out),
        discount,
        cart.total - discount,
        tuple(sum(share, Decimal(0)) for share in shares),
    )


def best(terms: Iterable[Terms], cart: Cart) -> Best:
    """The set with the lowest final amount among all that may be combined; of equals the one with fewest codes, then the one first in order.

    Exact among up to 12 coupons that take something off; of more than that, the 12 with the largest savings of their own are looked at.
    """
    lines = cart._lines
    offers = [offer for offer in _offers(terms, lines)[0] if offer.own]
    exact = len(offers) <= EXACT_UP_TO
    if not exact:
        largest = sorted(offers, key=lambda offer: (-offer.saved(offer.own), *offer.order))[
            :EXACT_UP_TO
        ]
        offers = sorted(largest, key=lambda offer: offer.order)
    places = {offer.terms.code: place for place, offer in enumerate(offers)}
    found = [(offer.saved(offer.own), [offer]) for offer in offers if not offer.terms.combinable]
    combinable = [offer for offer in offers if offer.terms.combinable]
    for currency, exponent in {
        (offer.terms.currency, offer.terms.exponent) for offer in combinable
    }:
        together = [
            offer
            for offer in combinable
            if (offer.terms.currency, offer.terms.exponent) == (currency, exponent)
        ]
        units, chosen = _Search(together, lines.units(exponent)).best_set()
        found.append((_decimal(units, exponent), chosen))
    _, winners = min(
        found,
        key=lambda one: (-one[0], len(one[1]), [places[offer.terms.code] for offer in one[1]]),
        default=(Decimal(0), []),
    )
    return Best(combine([offer.terms for offer in winners], cart), exact)


class _Lines:
    """A cart's lines in minor units, and which of them a coupon matches. A cart without items is one line."""

    def __init__(self, cart: Cart) -> None:
        self.cart = cart
        self._units: dict[int, tuple[int, ...]] = {}
        self._by_product: dict[str, list[int]] = {}
        self._by_category: dict[str, list[int]] = {}
        for position, item in enumerate(cart.items):
            self._by_product.setdefault(item.product_id, []).append(position)
            if item.category is not None:
                self._by_category.setdefault(item.category, []).append(position)

    def units(self, exponent: int) -> tuple[int, ...]:
        """Raises CurrencyMismatch where an amount is not a whole number of minor units."""
        if exponent not in self._units:
            self._units[exponent] = tuple(
                _units(amount, exponent)
                for amount in [item.total for item in self.cart.items] or [self.cart.total]
            )
        return self._units[exponent]

    def matching(self, terms: Terms) -> Sequence[int]:
        """The positions of the lines that a coupon applies to."""
        narrowed = terms.coupon_for == "product" and bool(terms.products or terms.categories)
        if not self.cart.items:
            listed = self.cart.product_ids
            named = (listed & terms.products if narrowed else listed) - terms.excluded_products
            # A cart that lists nothing holds something: for every product it will do.
            return range(1) if named or not (listed or narrowed) else ()
        everything = range(len(self.cart.items))
        excluded = self._positions(terms.excluded_products, terms.excluded_categories)
        if narrowed:
            return sorted(self._positions(terms.products, terms.categories) - excluded)
        return (
            [position for position in everything if position not in excluded]
            if excluded
            else everything
        )

    def _positions(self, products: Iterable[str], categories: Iterable[str]) -> set[int]:
        found: set[int] = set()
        found.update(*(self._by_product.get(product, ()) for product in products))
        found.update(*(self._by_category.get(category, ()) for category in categories))
        return found


class _Offer:
    """A coupon that fits the cart, with its figures as integers. Raises Refused where it does not fit."""

    def __init__(self, terms: Terms, lines: _Lines) -> None:
        if terms.minimum is not None and lines.cart.total < terms.minimum:
            raise MinimumNotReached(
                terms.currency,
                _decimal(_whole_units(terms.minimum, terms.exponent), terms.exponent),
            )
        positions = lines.matching(terms)
        if not positions:
            raise NoEligibleProducts
        units = lines.units(terms.exponent)
        self.terms = terms
        self.positions = positions
        self.initial = [units[position] for position in positions]
        self.initial_sum = sum(self.initial)
        self.sees_initial = terms.type == "percentage" and terms.base == "initial"
        numerator, denominator = terms.discount.as_integer_ratio()
        # Of a percentage, what is taken for each unit; of a fixed discount, units.
        self._ratio = (
            (numerator, denominator * 100)
            if terms.type == "percentage"
            else (numerator * 10**terms.exponent, denominator)
        )
        self._maximum = (
            None if terms.maximum is None else _whole_units(terms.maximum, terms.exponent)
        )
        self.own = self.amount(self.initial_sum)

    @property
    def order(self) -> tuple[int, Decimal, str]:
        return (-self.terms.priority, -self.saved(self.own), self.terms.code)

    def saved(self, units: int) -> Decimal:
        return _decimal(units, self.terms.exponent)

    def amount(self, left: int) -> int:
        """What it takes off, in units, where `left` is left of the lines that match. The caps are whole, so that rounding first is the same."""
        numerator, denominator = self._ratio
        if self.terms.type == "percentage":
            numerator *= self.initial_sum if self.sees_initial else left
        amount = min((2 * numerator + denominator) // (2 * denominator), left)
        return amount if self._maximum is None else min(amount, self._maximum)

    def shares(self, amount: int, left: Sequence[int]) -> list[int]:
        """Each matching line's share, where this is left of each."""
        if not self.sees_initial:
            return _largest_remainder(amount, left)
        wanted = _largest_remainder(amount, self.initial)
        shares = [min(share, most) for share, most in zip(wanted, left, strict=True)]
        rest = amount - sum(shares)
        if not rest:
            return shares
        more = _largest_remainder(
            rest, [most - share for share, most in zip(shares, left, strict=True)]
        )
        return [share + added for share, added in zip(shares, more, strict=True)]

    def steps(self, left: int, amount: int) -> Steps:
        terms = self.terms
        available = self.saved(left)
        applied_to = self.saved(self.initial_sum) if self.sees_initial else available
        raw = applied_to * terms.discount / 100 if terms.type == "percentage" else terms.discount
        capped = (
            min(raw, available) if terms.maximum is None else min(raw, available, terms.maximum)
        )
        return Steps(applied_to, available, raw, capped, self.saved(amount))


def _offers(terms: Iterable[Terms], lines: _Lines) -> tuple[list[_Offer], list[tuple[str, str]]]:
    """Each code once: those that fit in the order of combining; those that do not by code, with the reason."""
    offers, refused = [], []
    for one in {one.code: one for one in terms}.values():
        try:
            offers.append(_Offer(one, lines))
        except Refused as refusal:
            refused.append((one.code, refusal.reason))
    return sorted(offers, key=lambda offer: offer.order), sorted(refused)


def _conflict(terms: Terms, applied: Sequence[Terms]) -> str | None:
    """Why a coupon may not join these."""
    if not applied:
        return None
    if not (terms.combinable and applied[0].combinable):
        return "not_combinable"
    if (terms.currency, terms.exponent) != (applied[0].currency, applied[0].exponent):
        return CurrencyMismatch.name
    if terms.exclusive_group and any(
        other.exclusive_group == terms.exclusive_group for other in applied
    ):
        return "exclusive_group"
    return None


def _apply(offer: _Offer, left: list[int], cart: Cart) -> Saving:
    """Takes the coupon's amount off what is left of the lines."""
    room = [left[position] for position in offer.positions]
    available = sum(room)
    amount = offer.amount(available)
    lines = [0] * len(left)
    for position, share in zip(offer.positions, offer.shares(amount, room), strict=True):
        lines[position] = share
        left[position] -= share
    shares = tuple(offer.saved(share) for share in lines) if cart.items else ()
    return Saving(offer.terms, offer.saved(amount), shares, offer.steps(available, amount))


class _Search:
    """Finds the best set of combinable coupons by trying them in order, the subsets as a tree, and leaving out branches that can't win.

    Down a branch only sums are needed, and the shares of single lines only as long as a later coupon may cut through them.
    """

    def __init__(self, offers: Sequence[_Offer], units: Sequence[int]) -> None:
        self._offers = offers
        self._units = units
        members = [frozenset(offer.positions) for offer in offers]
        # Coupons that apply to the same lines stand in one pool.
        self._pools = [members.index(lines) for lines in members]
        self._selectors = [
            bytes(position in lines for position in range(len(units))) for lines in members
        ]
        places = range(len(offers))
        self._meets = [
            [later for later in places[place + 1 :] if members[place] & members[later]]
            for place in places
        ]
        cut = [
            place
            for place in places
            if any(not members[place] <= members[later] for later in self._meets[place])
        ]
        self._shares_up_to = max(cut, default=-1)
        self._found: tuple[int, list[int]] = (0, [])

    def best_set(self) -> tuple[int, list[_Offer]]:
        """What it saves, and the set in order."""
        self._explore(0, self._units, [offer.initial_sum for offer in self._offers], 0, [])
        saved, chosen = self._found
        return saved, [self._offers[place] for place in chosen]

    def _explore(
        self, start: int, units: Sequence[int], sums: list[int], saved: int, chosen: list[int]
    ) -> None:
        """`units` is what is left of each line (as long as it matters), `sums` what is left of each coupon's lines."""
        most, fewest = self._found
        # Of as many codes, the first found is the first in order.
        if saved > most or (saved == most and len(chosen) < len(fewest)):
            self._found = (saved, chosen)
        groups = {self._offers[place].terms.exclusive_group or None for place in chosen} - {None}
        open_places = [
            place
            for place in range(start, len(self._offers))
            if self._offers[place].terms.exclusive_group not in groups
        ]
        for index, place in enumerate(open_places):
            most, fewest = self._found
            reachable = saved + self._bound(open_places[index:], sums)
            if reachable < most or (reachable == most and len(chosen) + 1 >= len(fewest)):
                return
            offer = self._offers[place]
            amount = offer.amount(sums[place])
            if amount:
                self._explore(
                    place + 1,
                    *self._after(place, amount, units, sums),
                    saved + amount,
                    [*chosen, place],
                )

    def _after(
        self, place: int, amount: int, units: Sequence[int], sums: list[int]
    ) -> tuple[Sequence[int], list[int]]:
        sums = sums.copy()
        if place > self._shares_up_to:
            for later in self._meets[place]:
                sums[later] -= amount
            return units, sums
        offer = self._offers[place]
        room = list(compress(units, self._selectors[place]))
        left = list(units)
        for position, share in zip(offer.positions, offer.shares(amount, room), strict=True):
            left[position] -= share
        for later in self._meets[place]:
            sums[later] = sum(compress(left, self._selectors[later]))
        return left, sums

    def _bound(self, places: Sequence[int], sums: list[int]) -> int:
        """The most that these could still take off: lines only shrink, and no coupon takes more of less.

        Those of one pool are counted one after the other, for a pool of one sum only loses by leaving one out. Of an exclusive group, the largest.
        """
        total = 0
        taken: dict[int, int] = {}
        grouped: dict[str, int] = {}
        for place in places:
            offer, pool = self._offers[place], self._pools[place]
            group = offer.terms.exclusive_group
            if group:
                grouped[group] = max(grouped.get(group, 0), offer.amount(sums[place]))
                continue
            before = taken.get(pool, 0)
            amount = offer.amount(sums[place] - before)
            taken[pool] = before + amount
            total += amount
        return total + sum(grouped.values())


def _largest_remainder(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` in whole parts proportional to the weights; what is left over goes by the largest remainder, ties by position.

    No part is above its weight as long as `amount` is not above their sum.
    """
    if not amount:
        return [0] * len(weights)
    total = sum(weights)
    products = [amount * weight for weight in weights]
    parts = [product // total for product in products]
    missing = amount - sum(parts)
    if missing:
        remainders = [product % total for product in products]
        last = sorted(remainders, reverse=True)[missing - 1]
        ties = missing - sum(remainder > last for remainder in remainders)
        for position, remainder in enumerate(remainders):
            if remainder > last:
                parts[position] += 1
            elif remainder == last and ties:
                parts[position] += 1
                ties -= 1
    return parts


def _units(amount: Decimal, exponent: int) -> int:
    numerator, denominator = amount.as_integer_ratio()
    scale: int = 10**exponent
    units, rest = divmod(numerator * scale, denominator)
    if rest:
        raise CurrencyMismatch
    return units


def _whole_units(amount: Decimal, exponent: int) -> int:
    numerator, denominator = amount.as_integer_ratio()
    scale: int = 10**exponent
    return numerator * scale // denominator


def _decimal(units: int, exponent: int) -> Decimal:
    return Decimal(units).scaleb(-exponent)
