"""When an offer holds: a window of days; hours of some days of the week, in a time zone; and the periods that limits are counted in."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

DAYS_OF_A_WEEK = (1, 2, 3, 4, 5, 6, 7)
"""Monday is 1, as ISO 8601 has it."""


def contains(first: Any, last: Any, day: date) -> sa.ColumnElement[bool]:
    """As a condition: whether a window of days (two columns, both ends included, without an end where one is NULL) contains that day."""
    return sa.and_(sa.or_(first.is_(None), first <= day), sa.or_(last.is_(None), last >= day))


def zone(schedule: dict[str, Any] | None) -> ZoneInfo:
    """A schedule's time zone, UTC where it names none."""
    return ZoneInfo((schedule or {}).get("timezone", "UTC"))


def is_on(schedule: dict[str, Any] | None, moment: datetime) -> bool:
    """Whether a schedule (`weekdays`, `from` and `until` as HH:MM, `timezone`; what it does not name is no rule) lets this moment in.

    Hours that end before they begin last over midnight, and belong to the day on which they began.
    """
    if schedule is None:
        return True
    local = moment.astimezone(zone(schedule))
    days = schedule.get("weekdays", DAYS_OF_A_WEEK)
    if "from" not in schedule:
        return local.isoweekday() in days
    begins, ends, now = (
        time.fromisoformat(schedule["from"]),
        time.fromisoformat(schedule["until"]),
        local.time(),
    )
    if begins < ends:
        return local.isoweekday() in days and begins <= now < ends
    yesterday = (local.date() - timedelta(days=1)).isoweekday()
    return (local.isoweekday() in days and now >= begins) or (yesterday in days and now < ends)


def day(moment: datetime, timezone: ZoneInfo) -> str:
    return moment.astimezone(timezone).date().isoformat()


def week(moment: datetime, timezone: ZoneInfo) -> str:
    """A week begins on Monday."""
    year, number, _ = moment.astimezone(timezone).isocalendar()
    return f"{year}-W{number:02}"


def month(moment: datetime, timezone: ZoneInfo) -> str:
    return moment.astimezone(timezone).strftime("%Y-%m")
