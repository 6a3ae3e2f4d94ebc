"""What the analytics contract takes."""

import pytest

from coupon_management_flask.analytics.schemas import DaysQuery


@pytest.mark.parametrize("days", ["0", "367", "-1", "1.5", "x", "", "1e2"])
def test_days_that_are_none_are_refused(days):
    assert list(DaysQuery().validate({"days": days})) == ["days"]


@pytest.mark.parametrize("days", ["1", "366"])
def test_a_dashboard_is_of_a_day_to_a_year(days):
    assert DaysQuery().load({"days": days}) == {"days": int(days)}


def test_without_a_word_a_dashboard_is_of_thirty_days():
    assert DaysQuery().load({}) == {"days": 30}
