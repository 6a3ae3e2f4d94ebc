"""The one place that knows what time it is; tests replace `now` and nothing else."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
