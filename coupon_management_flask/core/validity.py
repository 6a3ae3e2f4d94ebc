"""When an offer holds: a window of days, and hours of some days of the week in a time zone.

The periods that limits are counted in are here too.
"""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ..text import zones

# As JSON keeps it: `weekdays`, `from` and `until` as HH:MM, `timezone`.
Schedule = dict[str, Any]

# Monday is 1, as in ISO 8601.
DAYS_OF_A_WEEK = (1, 2, 3, 4, 5, 6, 7)


def contains(
    first: sa.SQLColumnExpression[date | None],
    last: sa.SQLColumnExpression[date | None],
    day: date,
) -> sa.ColumnElement[bool]:
    """Return the condition that a window of days contains that day.

    The window is two columns. Both ends belong to it, and it has no end where one is NULL.
    """
    return sa.and_(sa.or_(first.is_(None), first <= day), sa.or_(last.is_(None), last >= day))


UTC = zones.zone("UTC")


def zone(schedule: Schedule | None) -> ZoneInfo:
    """Return a schedule's time zone, UTC where it names none, or none that there is."""
    try:
        return _zone(schedule)
    except (ValueError, TypeError):
        return UTC


def _zone(schedule: Schedule | None) -> ZoneInfo:
    """Raises: UnknownZone."""
    if schedule is None or "timezone" not in schedule:
        return UTC
    return zones.zone(schedule["timezone"])


def is_on(schedule: Schedule | None, moment: datetime) -> bool:
    """Whether a schedule lets this moment in. What it does not name is no rule.

    Hours that end before they begin last over midnight, and belong to the day on which they
    began. A schedule that was stored once and can't be read any more lets nothing in.
    """
    if schedule is None:
        return True
    try:
        return _lets_in(schedule, moment)
    except (ValueError, KeyError, TypeError):
        return False


def _lets_in(schedule: Schedule, moment: datetime) -> bool:
    """Raises: ValueError, KeyError or TypeError where the schedule can't be read."""
    local = moment.astimezone(_zone(schedule))
    days = schedule.get("weekdays", DAYS_OF_A_WEEK)
    if "from" not in schedule:
        return local.isoweekday() in days
    begins, ends = (time.fromisoformat(schedule[name]) for name in ("from", "until"))
    now = local.time()
    if begins < ends:
        return local.isoweekday() in days and begins <= now < ends
    yesterday = (local.date() - timedelta(days=1)).isoweekday()
    return (local.isoweekday() in days and now >= begins) or (yesterday in days and now < ends)


def day(moment: datetime, timezone: ZoneInfo) -> str:
    return moment.astimezone(timezone).date().isoformat()


def week(moment: datetime, timezone: ZoneInfo) -> str:
    """Return the ISO week, which begins on Monday."""
    year, number, _ = moment.astimezone(timezone).isocalendar()
    return f"{year}-W{number:02}"


def month(moment: datetime, timezone: ZoneInfo) -> str:
    return moment.astimezone(timezone).strftime("%Y-%m")
