"""Time zones by name: those of the `tzdata` package, which are the same on every machine.

A machine's own files would add names such as `localtime` and `right/UTC`, which on another machine
mean something else or nothing.
"""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo


class UnknownZone(ValueError):
    """No time zone has this name."""


@cache
def names() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def zone(name: str) -> ZoneInfo:
    """Return the time zone of this name.

    Raises: UnknownZone.
    """
    if name not in names():
        raise UnknownZone(name)
    return _read(name)


@cache
def _read(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
