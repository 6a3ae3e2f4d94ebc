"""Ranges of ages as nodes of a binary tree over the ages 0 to 127.

A range is covered by a few nodes, and an age lies below eight of them. So a lookup by age is a
lookup by equality. The root is node 1, and the leaf of an age is 128 + age.
"""

_LEAVES = 128

ANY_AGE = 0
"""No node of the tree: it stands for promos without an age rule."""


def nodes_of_ages(age_from: int | None, age_until: int | None) -> list[int]:
    """Return the fewest nodes below which exactly these ages lie, both bounds included.

    Without any bound that is ANY_AGE.
    """
    if age_from is None and age_until is None:
        return [ANY_AGE]
    low = _LEAVES + (age_from or 0)
    high = _LEAVES + (age_until if age_until is not None else _LEAVES - 1) + 1
    nodes = []
    while low < high:
        if low & 1:
            nodes.append(low)
            low += 1
        if high & 1:
            high -= 1
            nodes.append(high)
        low >>= 1
        high >>= 1
    return nodes


def nodes_of_age(age: int | None) -> list[int]:
    """Return the nodes that an age lies below, and ANY_AGE.

    Somebody of unknown age fits no age rule.
    """
    return (
        [ANY_AGE] if age is None else [ANY_AGE, *((_LEAVES + age) >> level for level in range(8))]
    )
