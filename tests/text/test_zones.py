"""Time zones are those of the tzdata package, whatever files the machine has."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from coupon_management_flask.text import zones

SUMMER, WINTER = (datetime(2026, month, 1, 12, tzinfo=UTC) for month in (7, 1))


def test_each_name_of_the_package_is_a_zone():
    assert len(zones.names()) > 500
    for name in zones.names():
        assert zones.zone(name).key == name
        SUMMER.astimezone(zones.zone(name))


def test_a_zone_has_its_offsets():
    berlin = zones.zone("Europe/Berlin")

    assert [f"{SUMMER.astimezone(berlin):%H%z}", f"{WINTER.astimezone(berlin):%H%z}"] == [
        "14+0200",
        "13+0100",
    ]
    assert SUMMER.astimezone(berlin) == SUMMER.astimezone(ZoneInfo("Europe/Berlin"))
    assert zones.zone("Europe/Berlin") is berlin


@pytest.mark.parametrize(
    "name",
    ["localtime", "posixrules", "right/UTC", "posix/UTC", "Europe", "zone.tab", "../zones", ""],
)
def test_what_only_a_machine_calls_one_is_none(name):
    with pytest.raises(zones.UnknownZone):
        zones.zone(name)
