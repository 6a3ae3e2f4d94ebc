"""The days that somebody asks about."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """So many days (UTC), of which today is the last."""

    now: datetime
    days: int

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def since(self) -> date:
        return self.today - timedelta(days=self.days - 1)

    @property
    def begin(self) -> datetime:
        return self._midnight(self.since)

    def parameters(self) -> dict[str, date | datetime]:
        """Return the parameters of the statements in statements.py."""
        return {
            "since": self.since,
            "begin": self.begin,
            "today": self.today,
            "midnight": self._midnight(self.today),
            "now": self.now,
        }

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, datetime.min.time(), self.now.tzinfo)
