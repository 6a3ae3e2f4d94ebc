"""discount_coupons/pricing/: what coupons take off a cart.

Examples with the contract's figures, and properties against a naive model written here.
"""

import random
from dataclasses import replace
from decimal import Decimal as D
from fractions import Fraction
from itertools import combinations, permutations
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupon_management_flask.core import errors
from coupon_management_flask.discount_coupons.pricing import (
    Cart,
    Item,
    Terms,
    best,
    combine,
    saving,
)
from coupon_management_flask.discount_coupons.refusals import DoesNotFit

PRODUCTS = ["a", "b", "c", "d"]
CATEGORIES = ["x", "y"]


def coupon(
    code="C", discount="10", type="percentage", coupon_for="product", currency="EUR", **others
):
    names = {"products", "categories", "excluded_products", "excluded_categories"}
    given_ = {
        "exponent": 0 if currency == "JPY" else 2,
        "combinable": True,
        **{name: frozenset(value) if name in names else value for name, value in others.items()},
    }
    return Terms(
        code=code,
        type=type,
        discount=D(discount),
        coupon_for=coupon_for,
        currency=currency,
        **given_,
    )


def fixed(code="C", discount="10", **others):
    return coupon(code, discount, type="fixed", **others)


def bought(*lines):
    """A cart of `(product, price, category?)`, one of each."""
    items = tuple(Item(line[0], 1, D(line[1]), *line[2:]) for line in lines)
    return Cart(sum((item.total for item in items), D(0)), items=items)


def reason_of(terms, cart):
    with pytest.raises(DoesNotFit) as refused:
        saving(terms, cart)
    return refused.value.name


def sums(*values):
    return tuple(D(value) for value in values)


# One coupon.


@pytest.mark.parametrize(
    ("terms", "total", "amount"),
    [
        (coupon(discount="15"), "34.90", "5.24"),
        (coupon(discount="12.5"), "0.04", "0.01"),
        (coupon(discount="12.5"), "0.03", "0.00"),
        (coupon(discount="100"), "34.90", "34.90"),
        (coupon(discount="50"), "0.01", "0.01"),
        (coupon(discount="50", maximum=D("10.00")), "34.90", "10.00"),
        (coupon(discount="10", maximum=D("10.00")), "34.90", "3.49"),
        (coupon(discount="0"), "34.90", "0.00"),
        (fixed(discount="10.00"), "34.90", "10.00"),
        (fixed(discount="10.00"), "9.99", "9.99"),
        (fixed(discount="10.00", maximum=D("4.00")), "34.90", "4.00"),
        (fixed(discount="10.00"), "0.00", "0.00"),
        (coupon(discount="15", currency="JPY"), "1250", "188"),
        (coupon(discount="0.5", currency="JPY"), "100", "1"),
        (fixed(discount="500", currency="JPY"), "1250", "500"),
    ],
)
def test_an_amount_is_capped_by_what_it_applies_to_and_by_its_maximum_and_rounded_half_up(
    terms, total, amount
):
    with_items, without = saving(terms, bought(("a", total))), saving(terms, Cart(D(total)))

    assert without.amount == with_items.amount == D(amount)
    assert with_items.amount.as_tuple().exponent == -terms.exponent
    assert (without.lines, with_items.lines) == ((), sums(amount))


def test_shares_go_by_the_largest_remainder_and_ties_by_position():
    thirds = bought(("a", "10.00"), ("b", "10.00"), ("c", "10.00"))

    assert saving(fixed(discount="10.00"), thirds).lines == sums("3.34", "3.33", "3.33")
    assert saving(fixed(discount="0.02"), thirds).lines == sums("0.01", "0.01", "0.00")
    # 0.0025, 0.9975 and 0 of a cent.
    assert saving(
        fixed(discount="0.01"), bought(("a", "0.10"), ("b", "39.90"), ("c", "0.00"))
    ).lines == sums("0.00", "0.01", "0.00")


def test_an_item_counts_as_often_as_it_is_bought():
    cart = Cart(D("9.97"), items=(Item("a", 3, D("2.99")), Item("b", 1, D("1.00"))))

    assert saving(coupon(discount="50", products=["a"]), cart).lines == sums("4.49", "0.00")


CART = bought(("a", "10.00", "x"), ("b", "20.00", "y"), ("c", "40.00", "x"), ("d", "80.00"))


@pytest.mark.parametrize(
    ("terms", "matched"),
    [
        ({}, "abcd"),
        ({"products": ["a", "z"]}, "a"),
        ({"categories": ["x"]}, "ac"),
        ({"products": ["b"], "categories": ["x"]}, "abc"),
        ({"excluded_products": ["a"]}, "bcd"),
        ({"excluded_categories": ["x"]}, "bd"),
        ({"products": ["a", "b"], "excluded_products": ["a"]}, "b"),
        ({"products": ["a", "d"], "excluded_categories": ["x"]}, "d"),
        (
            {"coupon_for": "minPurchase", "minimum": D(1), "products": ["a"], "categories": ["y"]},
            "abcd",
        ),
        (
            {
                "coupon_for": "minPurchase",
                "minimum": D(1),
                "excluded_products": ["d"],
                "excluded_categories": ["y"],
            },
            "ac",
        ),
    ],
)
def test_with_items_a_coupon_applies_to_the_items_that_match_alone(terms, matched):
    found = saving(coupon(discount="10", **terms), CART)

    assert found.lines == tuple(
        item.total / 10 if item.product_id in matched else D(0) for item in CART.items
    )
    assert found.amount == sum(found.lines)
    assert found.steps.applied_to == found.amount * 10


@pytest.mark.parametrize(
    ("terms", "listed", "fits"),
    [
        ({}, "", True),
        ({}, "a", True),
        ({"products": ["a"]}, "ab", True),
        ({"products": ["a"]}, "b", False),
        ({"products": ["a"]}, "", False),
        ({"categories": ["x"]}, "a", False),
        ({"products": ["a"], "categories": ["x"]}, "a", True),
        ({"excluded_products": ["a"]}, "a", False),
        ({"excluded_products": ["a"]}, "ab", True),
        ({"excluded_products": ["a"]}, "", True),
        ({"products": ["a", "b"], "excluded_products": ["a"]}, "a", False),
        ({"excluded_categories": ["x"]}, "a", True),
        ({"coupon_for": "minPurchase", "products": ["a"]}, "b", True),
        ({"coupon_for": "minPurchase", "excluded_products": ["a"]}, "a", False),
    ],
)
def test_without_items_the_product_ids_decide_and_the_whole_total_is_what_it_applies_to(
    terms, listed, fits
):
    cart = Cart(D("34.90"), frozenset(listed))

    if fits:
        assert saving(coupon(discount="15", **terms), cart).amount == D("5.24")
    else:
        assert reason_of(coupon(discount="15", **terms), cart) == "no_eligible_products"


def test_with_items_the_product_ids_are_ignored():
    cart = replace(CART, product_ids=frozenset("z"))

    assert saving(coupon(products=["a"]), cart).amount == D("1.00")
    assert reason_of(coupon(products=["z"]), cart) == "no_eligible_products"


@pytest.mark.parametrize("coupon_for", ["product", "minPurchase"])
def test_the_minimum_is_reached_by_the_whole_cart_and_refuses_first(coupon_for):
    terms = fixed(discount="5", coupon_for=coupon_for, minimum=D("150"), products=["a"])

    assert saving(terms, CART).amount == D(5)
    with pytest.raises(errors.Refused) as refused:
        saving(
            replace(
                terms,
                products=frozenset("z"),
                excluded_products=frozenset("abcd"),
                minimum=D("150.01"),
            ),
            CART,
        )
    assert (refused.value.name, refused.value.facts) == (
        "minimum_not_reached",
        {"currency": "EUR", "amount": D("150.01")},
    )
    with pytest.raises(DoesNotFit, match="minimum_not_reached") as refused:
        saving(terms, Cart(D("149.99"), frozenset("a")))
    assert str(refused.value.facts["amount"]) == "150.00"


def test_a_cart_with_decimals_that_the_currency_has_not_is_in_another_currency():
    assert reason_of(coupon(currency="JPY"), Cart(D("10.50"))) == "currency_mismatch"
    assert saving(coupon(currency="JPY"), Cart(D("10.00"))).amount == 1


def test_the_steps_say_how_an_amount_came_about():
    steps = saving(
        coupon(discount="15", products=["b"], maximum=D("2.50")),
        bought(("a", "5.00"), ("b", "34.90")),
    ).steps

    assert (steps.applied_to, steps.available, steps.raw, steps.capped, steps.rounded) == sums(
        "34.90", "34.90", "5.235", "2.50", "2.50"
    )
    steps = saving(coupon(discount="15"), Cart(D("34.90"))).steps
    assert (steps.raw, steps.capped, steps.rounded) == sums("5.235", "5.235", "5.24")


def test_impossible_carts_and_terms_are_not_made():
    for make in [
        lambda: Cart(D("-0.01")),
        lambda: Cart(D("10.00"), items=(Item("a", 1, D("9.99")),)),
        lambda: Cart(D("0.00"), items=(Item("a", 1, D("-1.00")), Item("b", 1, D("1.00")))),
        lambda: coupon(discount="100.01"),
        lambda: fixed(discount="-0.01"),
    ]:
        with pytest.raises(ValueError, match=r"cart|discount"):
            make()


# Several.


def applied(combined):
    return [(one.code, str(one.amount)) for one in combined.applied]


def test_coupons_go_by_priority_then_by_the_larger_saving_then_by_code():
    terms = [
        coupon("P2", "20"),
        coupon("P1", "20"),
        fixed("FIX", "30", priority=-1),
        coupon("SMALL", "5", priority=3),
        coupon("BIG", "25"),
    ]

    for order in permutations(terms):
        combined = combine(order, Cart(D("100.00")))
        assert applied(combined) == [
            ("SMALL", "5.00"),
            ("BIG", "23.75"),
            ("P1", "14.25"),
            ("P2", "11.40"),
            ("FIX", "30.00"),
        ]
        assert (combined.discount, combined.final, combined.left_out) == (
            D("84.40"),
            D("15.60"),
            (),
        )


def test_a_percentage_sees_the_remaining_or_the_initial_amount_as_its_base_says():
    first = fixed("FIRST", "50", priority=1)

    assert applied(combine([first, coupon("C", "20")], CART)) == [
        ("FIRST", "50.00"),
        ("C", "20.00"),
    ]
    assert applied(combine([first, coupon("C", "20", base="initial")], CART)) == [
        ("FIRST", "50.00"),
        ("C", "30.00"),
    ]
    assert applied(combine([first, coupon("C", "90", base="initial")], CART)) == [
        ("FIRST", "50.00"),
        ("C", "100.00"),
    ]
    steps = combine([first, coupon("C", "90", base="initial")], CART).applied[1].steps
    assert (steps.applied_to, steps.available, steps.raw, steps.capped) == sums(
        "150", "100", "135", "100"
    )


def test_the_share_of_an_initial_percentage_goes_by_initial_amounts_and_never_below_zero():
    cart = bought(("a", "10.00"), ("b", "10.00"))
    half = fixed("HALF", "5", products=["a"], priority=1)
    whole = fixed("WHOLE", "10", products=["a"], priority=1)
    initial = coupon("INITIAL", "20", base="initial")

    assert combine([half, initial], cart).lines == sums("7.00", "2.00")
    # The first line has nothing left to bear its 2.00 with.
    assert combine([whole, initial], cart).lines == sums("10.00", "4.00")


def test_the_minimum_is_looked_at_before_anybody_took_something_off():
    combined = combine(
        [
            fixed("A", "60", priority=1),
            coupon("B", "10", coupon_for="minPurchase", minimum=D("100")),
        ],
        Cart(D("100.00")),
    )

    assert applied(combined) == [("A", "60.00"), ("B", "4.00")]


def test_who_is_left_out_is_told_why():
    terms = [
        coupon("LOW", "1", coupon_for="minPurchase", minimum=D("150.01")),
        coupon("NONE", "1", products=["z"]),
        coupon("FIRST", "10", priority=9, exclusive_group="season"),
        coupon("SECOND", "50", priority=8, exclusive_group="season"),
        coupon("ALONE", "50", priority=7, combinable=False),
        coupon("OTHER", "50", priority=6, currency="USD"),
        coupon("NIL", "0", priority=99, combinable=False),
        fixed("ALL", "500", priority=5, exclusive_group=""),
        fixed("LATE", "1", priority=4, exclusive_group=""),
    ]

    combined = combine(terms, CART)

    assert applied(combined) == [("FIRST", "15.00"), ("ALL", "135.00")]
    assert dict(combined.left_out) == {
        "LOW": "minimum_not_reached",
        "NONE": "no_eligible_products",
        "SECOND": "exclusive_group",
        "ALONE": "not_combinable",
        "OTHER": "currency_mismatch",
        "NIL": "no_saving",
        "LATE": "no_saving",
    }
    assert combine(list(reversed(terms)), CART) == combined


def test_the_first_goes_alone_where_it_is_not_combinable():
    combined = combine(
        [coupon("A", "10"), coupon("B", "20", combinable=False), coupon("C", "5")], CART
    )

    assert applied(combined) == [("B", "30.00")]
    assert combined.left_out == (("A", "not_combinable"), ("C", "not_combinable"))


def test_a_currency_that_saved_nothing_does_not_bind_the_set():
    nothing = coupon("YEN", "0", currency="JPY", priority=1)

    assert applied(combine([nothing, coupon("EURO", "15")], Cart(D("1250")))) == [
        ("EURO", "187.50")
    ]


def test_a_code_that_is_given_twice_counts_once():
    assert combine([coupon("A")] * 2, CART) == combine([coupon("A")], CART)
    assert applied(best([coupon("A")] * 2, CART).combined) == [("A", "15.00")]


@pytest.mark.parametrize(
    "cart", [Cart(D("0.00")), bought(("a", "0.00"), ("b", "0.00"))], ids=["total", "items"]
)
def test_nothing_comes_off_nothing(cart):
    zeros = (D(0),) * len(cart.items)
    one, two = coupon("A"), fixed("B")

    assert (saving(one, cart).amount, saving(one, cart).lines) == (0, zeros)
    # A code alone may be redeemed for nothing, a second one would be wasted.
    assert combine([one], cart).applied == (saving(one, cart),)
    together = combine([one, two], cart)
    assert (together.applied, together.left_out, together.lines) == (
        (),
        (("A", "no_saving"), ("B", "no_saving")),
        zeros,
    )
    assert best([one, two], cart).combined == combine([], cart)


# The best.


def test_the_best_may_be_another_set_than_all_together():
    lone = coupon("LONE", "25", combinable=False, priority=9)
    terms = [
        lone,
        coupon("A", "15", exclusive_group="g", priority=1),
        coupon("B", "20", exclusive_group="g"),
        fixed("C", "10"),
    ]

    assert applied(combine(terms, CART)) == [("LONE", "37.50")]
    assert applied(best(terms, CART).combined) == [("B", "30.00"), ("C", "10.00")]
    assert applied(best([replace(lone, discount=D(30)), *terms[1:]], CART).combined) == [
        ("LONE", "45.00")
    ]


def test_of_an_exclusive_group_the_best_takes_the_one_that_saves_most_wherever_it_stands():
    terms = [
        fixed(code, discount, priority=priority, exclusive_group="g")
        for code, discount, priority in [("A", "20", 3), ("B", "60", 2), ("C", "10", 1)]
    ]

    assert applied(combine(terms, CART)) == [("A", "20.00")]
    assert applied(best(terms, CART).combined) == [("B", "60.00")]


def test_of_equally_good_sets_the_smallest_wins_and_then_the_first_in_order():
    cart = Cart(D("10.00"))

    # All three make it free.
    assert applied(
        best([fixed("Z", "10"), fixed("Y", "10"), coupon("X", "50", priority=1)], cart).combined
    ) == [("Y", "10.00")]
    assert applied(
        best([fixed("Z", "1", combinable=False), fixed("Y", "1", combinable=False)], cart).combined
    ) == [("Y", "1.00")]
    assert applied(
        best(
            [fixed("A", "1", priority=1), fixed("B", "2"), fixed("Z", "3", combinable=False)], cart
        ).combined
    ) == [("Z", "3.00")]


def test_beyond_twelve_candidates_the_twelve_with_the_largest_savings_are_looked_at():
    # Priority says which goes first, not which are looked at. A coupon that does not fit or saves
    # nothing is no candidate.
    tiny, no_candidates = (
        fixed("TINY", "0.01", priority=9),
        [coupon("NIL", "0"), coupon("NONE", "5", products=["z"])],
    )
    twelve = [fixed(f"C{number:02}", "1") for number in range(12)]

    exact = best([*twelve, *no_candidates], CART)
    assert (exact.exact, exact.combined.discount) == (True, D("12.00"))
    not_exact = best([*twelve, tiny, *no_candidates], CART)
    assert (not_exact.exact, not_exact.combined.discount) == (False, D("12.00"))
    # They are chosen by their own savings, and still go by priority: after 60.00 of 150.00 are
    # off, 70.00 is more than half of the rest.
    of_one_group = [
        coupon("HALF", "50", exclusive_group="g"),
        fixed("SEVENTY", "70", exclusive_group="g"),
    ]
    reordered = best([*twelve[:9], tiny, fixed("SIXTY", "60", priority=1), *of_one_group], CART)
    assert (reordered.exact, reordered.combined.discount) == (False, D("139.00"))


# A naive model: one line and one cent at a time.


def fits(terms, item):
    if item.product_id in terms.excluded_products or item.category in terms.excluded_categories:
        return False
    narrowed = terms.coupon_for == "product" and (terms.products or terms.categories)
    return not narrowed or item.product_id in terms.products or item.category in terms.categories


def naive_take(terms, initial, left):
    """What comes off each line that matches, in cents.

    `initial` and `left` are in cents, by position.
    """
    room, start = sum(left.values()), sum(initial[position] for position in left)
    by_initial = terms.type == "percentage" and terms.base == "initial"
    scale = 10**terms.exponent
    raw = Fraction(terms.discount) * (
        (start if by_initial else room) / Fraction(100) if terms.type == "percentage" else scale
    )
    if terms.maximum is not None:
        raw = min(raw, Fraction(terms.maximum) * scale)
    amount = floor(min(raw, room) + Fraction(1, 2))
    taken = dict.fromkeys(left, 0)
    weights = {position: initial[position] for position in left} if by_initial else left
    while (rest := amount - sum(taken.values())) > 0:
        wanted = {
            position: Fraction(rest * weight, sum(weights.values()))
            for position, weight in weights.items()
        }
        parts = {position: floor(want) for position, want in wanted.items()}
        for _ in range(rest - sum(parts.values())):
            position = min(
                parts, key=lambda position: (parts[position] - wanted[position], position)
            )
            parts[position] += 1
        for position, part in parts.items():
            taken[position] += min(part, left[position] - taken[position])
        weights = {position: left[position] - taken[position] for position in left}
    return taken


def naive_redeem(terms, cart):
    """The coupons in this order, in cents: what each takes off the lines."""
    initial = [int(item.total * 10 ** terms[0].exponent) for item in cart.items] if terms else []
    left = dict(enumerate(initial))
    steps = []
    for one in terms:
        steps.append(
            naive_take(
                one,
                initial,
                {
                    position: units
                    for position, units in left.items()
                    if fits(one, cart.items[position])
                },
            )
        )
        for position, units in steps[-1].items():
            left[position] -= units
    return steps


def naive_own(terms, cart):
    """Nothing where the coupon is refused."""
    if (terms.minimum is not None and cart.total < terms.minimum) or not any(
        fits(terms, item) for item in cart.items
    ):
        return None
    return sum(naive_redeem([terms], cart)[0].values())


def naive_best(terms, cart):
    owns = {one.code: naive_own(one, cart) for one in terms}
    candidates = sorted(
        (one for one in terms if owns[one.code]),
        key=lambda one: (-one.priority, -owns[one.code], one.code),
    )
    found = []
    for size in range(len(candidates) + 1):
        for chosen in combinations(candidates, size):
            groups = [one.exclusive_group for one in chosen if one.exclusive_group]
            if size > 1 and (
                not all(one.combinable for one in chosen) or len(groups) > len(set(groups))
            ):
                continue
            saved = sum(sum(step.values()) for step in naive_redeem(chosen, cart))
            # Smaller sets and earlier ones come first: min() keeps them.
            found.append((saved, [one.code for one in chosen]))
    return max(found, key=lambda one: one[0])


_amounts = st.integers(0, 30) | st.integers(0, 5000)
_money = _amounts.map(lambda cents: D(cents) / 100)
_some_products = st.sets(st.sampled_from(PRODUCTS), max_size=2).map(frozenset)
_some_categories = st.sampled_from([frozenset(), frozenset(), frozenset("x"), frozenset("y")])
_item = st.builds(
    Item,
    st.sampled_from(PRODUCTS),
    st.sampled_from([1, 1, 2, 7]),
    _money,
    st.sampled_from([None, *CATEGORIES]),
)


def _cart_of(items):
    return Cart(sum((item.total for item in items), D(0)), items=tuple(items))


_carts = st.lists(_item, min_size=1, max_size=7).map(_cart_of)
_terms = st.fixed_dictionaries(
    {
        "coupon_for": st.sampled_from(["product", "product", "product", "minPurchase"]),
        "currency": st.just("EUR"),
        "exponent": st.just(2),
        "products": _some_products,
        "categories": _some_categories,
        "excluded_products": st.one_of(st.just(frozenset()), _some_products),
        "excluded_categories": st.one_of(st.just(frozenset()), _some_categories),
        "minimum": st.one_of(st.none(), st.none(), _money),
        "maximum": st.one_of(st.none(), st.none(), _money),
        "combinable": st.sampled_from([True, True, True, True, False]),
        "exclusive_group": st.sampled_from([None, None, None, "g", "h"]),
        "priority": st.integers(0, 2),
        "base": st.sampled_from(["remaining", "initial"]),
    }
).flatmap(
    lambda fields: st.one_of(
        st.builds(
            lambda percent: {**fields, "type": "percentage", "discount": D(percent) / 4},
            st.integers(0, 400),
        ),
        st.builds(lambda amount: {**fields, "type": "fixed", "discount": amount}, _money),
    )
)


def _coupons(most, **always):
    return st.lists(_terms, min_size=1, max_size=most).map(
        lambda many: [
            Terms(code=f"C{number}", **{**fields, **always}) for number, fields in enumerate(many)
        ]
    )


def tried(terms, cart):
    """The saving, None where it is refused."""
    try:
        return saving(terms, cart)
    except DoesNotFit:
        return None


@settings(max_examples=80, deadline=None)
@given(_coupons(1), _carts)
def test_a_saving_is_what_one_line_and_one_cent_at_a_time_would_give(terms, cart):
    found, own = tried(terms[0], cart), naive_own(terms[0], cart)

    assert (None if found is None else found.amount * 100) == own
    if found is not None:
        shares = naive_redeem(terms, cart)[0]
        assert found.lines == tuple(
            D(shares.get(position, 0)) / 100 for position in range(len(cart.items))
        )
        assert sum(found.lines) == found.amount
        assert all(
            0 <= share <= item.total for share, item in zip(found.lines, cart.items, strict=True)
        )
        assert found.amount <= sum(item.total for item in cart.items if fits(terms[0], item))


@settings(max_examples=80, deadline=None)
@given(_coupons(1), _carts, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_changes_no_coupons_amount(terms, cart, randomly):
    shuffled = _cart_of(randomly.sample(cart.items, len(cart.items)))
    here, there = tried(terms[0], cart), tried(terms[0], shuffled)

    assert (here and here.amount) == (there and there.amount)


@settings(max_examples=80, deadline=None)
@given(_coupons(1), _carts, st.integers(0, 6), st.integers(1, 500))
def test_a_dearer_cart_never_lowers_what_a_coupon_saves(terms, cart, line, cents):
    line %= len(cart.items)
    raised = [
        replace(item, unit_price=item.unit_price + D(cents) / 100) if place == line else item
        for place, item in enumerate(cart.items)
    ]
    before, after = tried(terms[0], cart), tried(terms[0], _cart_of(raised))

    assert before is None or (after is not None and after.amount >= before.amount)


@settings(max_examples=80, deadline=None)
@given(_coupons(4), _carts, st.integers(0, 6), st.integers(1, 500))
def test_a_dearer_cart_never_lowers_what_the_best_saves_but_for_rounding(terms, cart, line, cents):
    # As long as the order stays: by the larger saving, a dearer cart may put another coupon first.
    terms = [replace(one, priority=place) for place, one in enumerate(terms)]
    line %= len(cart.items)
    raised = [
        replace(item, unit_price=item.unit_price + D(cents) / 100) if place == line else item
        for place, item in enumerate(cart.items)
    ]

    rounding = D(len(terms) * (len(cart.items) + 1)) / 100
    assert (
        best(terms, _cart_of(raised)).combined.discount
        >= best(terms, cart).combined.discount - rounding
    )


@settings(max_examples=80, deadline=None)
@given(_coupons(6), _carts)
def test_a_combination_is_what_redeeming_in_its_order_gives(terms, cart):
    combined = combine(terms, cart)

    chosen = [one.terms for one in combined.applied]
    steps = naive_redeem(chosen, cart)
    for one, step in zip(combined.applied, steps, strict=True):
        assert one.lines == tuple(
            D(step.get(position, 0)) / 100 for position in range(len(cart.items))
        )
        assert sum(one.lines) == one.amount == one.steps.rounded <= one.steps.available
    assert combined.lines == tuple(
        sum((D(step.get(position, 0)) for step in steps), D(0)) / 100
        for position in range(len(cart.items))
    )
    assert all(
        0 <= share <= item.total for share, item in zip(combined.lines, cart.items, strict=True)
    )
    assert sum(combined.lines) == combined.discount == sum(one.amount for one in combined.applied)
    assert combined.final == cart.total - combined.discount >= 0
    # What was promised is what redeeming the applied ones gives, and each coupon has one answer.
    assert combine(chosen, cart) == replace(combined, left_out=())
    assert sorted(
        [one.code for one in combined.applied] + [code for code, _ in combined.left_out]
    ) == [one.code for one in terms]


@settings(max_examples=120, deadline=None)
@given(_coupons(6), _carts)
def test_the_best_is_what_trying_every_set_finds(terms, cart):
    found = best(terms, cart)

    assert found.exact
    assert (
        found.combined.discount * 100,
        [one.code for one in found.combined.applied],
    ) == naive_best(terms, cart)
    assert found.combined == combine([one.terms for one in found.combined.applied], cart)


@settings(max_examples=30, deadline=None)
@given(
    _coupons(
        6, coupon_for="minPurchase", excluded_products=frozenset(), excluded_categories=frozenset()
    ),
    _carts,
    st.randoms(use_true_random=False),
)
def test_where_all_apply_to_the_whole_cart_neither_items_nor_their_order_change_a_total(
    terms, cart, randomly
):
    shuffled = _cart_of(randomly.sample(cart.items, len(cart.items)))

    for work in (combine, lambda *given_: best(*given_).combined):
        totals = [work(terms, one).discount for one in (cart, shuffled, Cart(cart.total))]
        assert totals[0] == totals[1] == totals[2]


def large_cart(lines):
    prices = random.Random(7)
    return _cart_of(
        [
            Item(f"p{number}", 1 + number % 3, D(prices.randint(1, 9999)) / 100, f"c{number % 12}")
            for number in range(lines)
        ]
    )


def twelve_that_cut_through_each_other():
    drawn = random.Random(7)
    return [
        coupon(
            f"C{number:02}",
            str(drawn.randint(3, 30)),
            categories=[f"c{place}" for place in range(12) if drawn.random() < 0.5],
            exclusive_group=group,
        )
        for number, group in enumerate([None] * 8 + ["g", "g", "h", "h"])
    ]


def test_of_twelve_candidates_the_best_is_what_trying_all_4096_sets_finds():
    terms, cart = twelve_that_cut_through_each_other(), large_cart(12)

    found = best(terms, cart)

    assert found.exact
    assert (
        found.combined.discount * 100,
        [one.code for one in found.combined.applied],
    ) == naive_best(terms, cart)


def test_ten_thousand_lines_add_up():
    cart, terms = large_cart(10_000), twelve_that_cut_through_each_other()

    whole = saving(fixed(discount="99999.99"), cart)
    assert sum(whole.lines) == whole.amount == D("99999.99")
    assert all(
        0 <= share <= item.total for share, item in zip(whole.lines, cart.items, strict=True)
    )
    chosen = best(terms, cart).combined
    assert sum(chosen.lines) == chosen.discount >= combine(terms, cart).discount
    assert all(
        0 <= share <= item.total for share, item in zip(chosen.lines, cart.items, strict=True)
    )
