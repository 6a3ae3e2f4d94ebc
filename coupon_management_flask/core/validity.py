"""When an offer holds: a window of days, and hours of some days of the week in a time zone.

The periods that limits are counted in are here too.
"""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

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


def zone(schedule: Schedule | None) -> ZoneInfo:
    """Return a schedule's time zone, UTC where it names none."""
    return ZoneInfo((schedule or {}).get("timezone", "UTC"))


def is_on(schedule: Schedule | None, moment: datetime) -> bool:
    """Whether a schedule lets this moment in. What it does not name is no rule.

    Hours that end before they begin last over midnight, and belong to the day on which they
    began.
    """
    if schedule is None:
        return True
    local = moment.astimezone(zone(schedule))
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
