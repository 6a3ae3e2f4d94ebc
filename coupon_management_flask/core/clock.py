"""The one place that knows what time it is. Tests replace `now` and nothing else."""

from datetime import UTC, datetime, timedelta

# How far the clocks of servers that work together may differ.
SKEW = timedelta(seconds=10)


def now() -> datetime:
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Write a point in time as all contracts do: in UTC, with `Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
