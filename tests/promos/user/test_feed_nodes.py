"""Ages as nodes of a tree (promos/feed/ages.py).

A promo and an age meet below exactly one of them, or below none.
"""

from coupon_management_flask.promos.feed.ages import ANY_AGE, nodes_of_age, nodes_of_ages

AGES = range(101)
BELOW = {age: set(nodes_of_age(age)) for age in AGES}


def fitting(nodes):
    """Return the ages that lie below one of the nodes. Below two would count a promo twice."""
    meeting = {age: len(BELOW[age].intersection(nodes)) for age in AGES}
    assert set(meeting.values()) <= {0, 1}
    return [age for age in AGES if meeting[age]]


def test_exactly_the_ages_inside_fit_and_few_nodes_say_so():
    for age_from in AGES:
        for age_until in range(age_from, 101):
            nodes = nodes_of_ages(age_from, age_until)
            assert fitting(nodes) == list(range(age_from, age_until + 1)), (age_from, age_until)
            assert len(nodes) == len(set(nodes)) <= 14, (age_from, age_until)


def test_one_bound_alone_leaves_the_other_side_open():
    for bound in AGES:
        assert fitting(nodes_of_ages(bound, None)) == list(range(bound, 101))
        assert fitting(nodes_of_ages(None, bound)) == list(range(bound + 1))


def test_without_a_rule_everybody_fits_and_with_one_nobody_of_unknown_age():
    assert nodes_of_ages(None, None) == [ANY_AGE]
    assert fitting([ANY_AGE]) == list(AGES)
    assert nodes_of_age(None) == [ANY_AGE]
    assert ANY_AGE not in nodes_of_ages(0, 100) + nodes_of_ages(0, None) + nodes_of_ages(None, 100)


def test_an_age_lies_below_eight_nodes_and_the_one_for_no_rule():
    assert {len(nodes) for nodes in BELOW.values()} == {9}
