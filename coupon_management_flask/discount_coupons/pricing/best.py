"""The best set of coupons for a cart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import compress

from . import units
from .cart import Cart
from .combine import Combined, combine, offers_of
from .offer import Offer
from .terms import Terms

EXACT_UP_TO = 12


@dataclass(frozen=True, slots=True)
class Best:
    combined: Combined
    exact: bool


def best(terms: Iterable[Terms], cart: Cart) -> Best:
    """Return the set with the lowest final amount among all that may be combined.

    Of equals it is the one with fewest codes, then the one first in order. It is exact among up
    to 12 coupons that take something off; of more, the 12 with the largest savings of their own
    are looked at.
    """
    offers = [offer for offer in offers_of(terms, cart)[0] if offer.own]
    exact = len(offers) <= EXACT_UP_TO
    if not exact:
        by_saving = sorted(offers, key=lambda offer: (-offer.saved(offer.own), *offer.order))
        offers = sorted(by_saving[:EXACT_UP_TO], key=lambda offer: offer.order)
    places = {offer.terms.code: place for place, offer in enumerate(offers)}
    found = [(offer.saved(offer.own), [offer]) for offer in offers if not offer.terms.combinable]
    by_currency: dict[tuple[str, int], list[Offer]] = {}
    for offer in offers:
        if offer.terms.combinable:
            by_currency.setdefault((offer.terms.currency, offer.terms.exponent), []).append(offer)
    for (_, exponent), together in by_currency.items():
        saved, chosen = _Search(together, cart.lines.units(exponent)).best_set()
        found.append((units.decimal(saved, exponent), chosen))
    _, winners = min(
        found,
        key=lambda one: (-one[0], len(one[1]), [places[offer.terms.code] for offer in one[1]]),
        default=(Decimal(0), []),
    )
    return Best(combine([offer.terms for offer in winners], cart), exact)


class _Search:
    """Find the best set of combinable coupons.

    Subsets are tried as a tree, in order, and branches that can't win are left out. Down a branch
    only sums are needed; shares of single lines only as long as a later coupon may cut through
    them.
    """

    def __init__(self, offers: Sequence[Offer], lines_left: Sequence[int]) -> None:
        self._offers = offers
        self._untouched = lines_left
        members = [frozenset(offer.positions) for offer in offers]
        # Coupons that apply to the same lines stand in one pool.
        self._pools = [members.index(lines) for lines in members]
        self._selectors = [
            bytes(position in lines for position in range(len(lines_left))) for lines in members
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

    def best_set(self) -> tuple[int, list[Offer]]:
        """Return what the best set saves, and the set in order."""
        self._explore(0, self._untouched, [offer.initial_sum for offer in self._offers], 0, [])
        saved, chosen = self._found
        return saved, [self._offers[place] for place in chosen]

    def _explore(
        self, start: int, lines_left: Sequence[int], sums: list[int], saved: int, chosen: list[int]
    ) -> None:
        """Try every set that begins with those chosen.

        `lines_left` is what is left of each line, as long as it matters. `sums` is what is left
        of each coupon's lines.
        """
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
                    *self._after(place, amount, lines_left, sums),
                    saved + amount,
                    [*chosen, place],
                )

    def _after(
        self, place: int, amount: int, lines_left: Sequence[int], sums: list[int]
    ) -> tuple[Sequence[int], list[int]]:
        sums = sums.copy()
        if place > self._shares_up_to:
            for later in self._meets[place]:
                sums[later] -= amount
            return lines_left, sums
        offer = self._offers[place]
        room = list(compress(lines_left, self._selectors[place]))
        left = list(lines_left)
        for position, share in zip(offer.positions, offer.shares(amount, room), strict=True):
            left[position] -= share
        for later in self._meets[place]:
            sums[later] = sum(compress(left, self._selectors[later]))
        return left, sums

    def _bound(self, places: Sequence[int], sums: list[int]) -> int:
        """Return the most that these could still take off.

        Lines only shrink, and no coupon takes more of less. Coupons of one pool are counted one
        after the other, because a pool only loses by leaving one out. Of an exclusive group the
        largest counts.
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
