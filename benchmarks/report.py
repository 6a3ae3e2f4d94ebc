"""What rounds add up to: a row for each scenario, old beside new."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MOST_REFUSED = 0.01
# More CPU than this, new over old, is marked.
TOLERATED = 1.05

_WIDTH = 26
_HEADER = " " * _WIDTH + f"{'requests/s':>16}{'server ms':>16}{'PostgreSQL ms':>16}"
_HEADER += f"{'messages':>14}{'CPU':>8}{'noise':>8}{'refused':>10}"
_SIDES = " " * _WIDTH + f"{'old':>8}{'new':>8}" * 3 + f"{'old':>7}{'new':>7}{'new/old':>8}"


@dataclass(frozen=True)
class Round:
    """What one round of a side came to. CPU is in seconds, of all requests together."""

    requests: int
    seconds: float
    server_cpu: float
    postgres_cpu: float
    refused: int = 0

    @property
    def cpu(self) -> float:
        """Seconds of server and PostgreSQL that one request took."""
        return (self.server_cpu + self.postgres_cpu) / self.requests


@dataclass(frozen=True)
class Figures:
    """A side's medians over its rounds. CPU is in milliseconds a request.

    `noise` is how far its rounds are apart: the widest difference of their CPU, as a share.
    """

    per_second: float
    server_ms: float
    postgres_ms: float
    cpu_ms: float
    messages: float
    noise: float
    requests: int
    refused: int


def summary(rounds: Sequence[Round], messages: float) -> Figures:
    cpu = [one.cpu for one in rounds]
    return Figures(
        per_second=median(one.requests / one.seconds for one in rounds),
        server_ms=median(one.server_cpu / one.requests for one in rounds) * 1000,
        postgres_ms=median(one.postgres_cpu / one.requests for one in rounds) * 1000,
        cpu_ms=median(cpu) * 1000,
        messages=messages,
        noise=(max(cpu) - min(cpu)) / median(cpu),
        requests=sum(one.requests for one in rounds),
        refused=sum(one.refused for one in rounds),
    )


def verdict(old: Figures, new: Figures) -> str:
    """Mark what is refused or dearer; with a question mark where noise could explain it."""
    if is_refused(old, new):
        return "REFUSED"
    ratio = new.cpu_ms / old.cpu_ms
    if ratio <= TOLERATED:
        return ""
    return "DEARER" if ratio - 1 > max(old.noise, new.noise) else "DEARER?"


def is_refused(*sides: Figures) -> bool:
    """Say whether a side refused so much that its figures are those of refusals."""
    return any(side.refused > MOST_REFUSED * side.requests for side in sides)


def header() -> str:
    return f"{_HEADER}\n{_SIDES}"


def row(name: str, old: Figures, new: Figures) -> str:
    cells = [
        f"{name:<{_WIDTH}}",
        *(f"{side.per_second:>8,.0f}" for side in (old, new)),
        *(f"{side.server_ms:>8.3f}" for side in (old, new)),
        *(f"{side.postgres_ms:>8.3f}" for side in (old, new)),
        *(f"{side.messages:>7.2f}" for side in (old, new)),
        f"{new.cpu_ms / old.cpu_ms:>8.0%}",
        f"{max(old.noise, new.noise):>8.0%}",
        f"{old.refused + new.refused:>10,}",
    ]
    return "".join([*cells, "  ", verdict(old, new)]).rstrip()
