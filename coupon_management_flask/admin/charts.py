"""Bar charts, drawn by the server. A page without script can have them, and so can a printer."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 720, 140
GAP = 1


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    told: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, and in `summary` what they show in words.

    The figures themselves belong into a table beside the chart.
    """

    title: str
    summary: str
    bars: list[Bar]
    first: str
    last: str
    highest: str
    width: int = WIDTH
    height: int = HEIGHT


def bar_chart(
    title: str, labels: Sequence[str], values: Sequence[int | Decimal], unit: str = ""
) -> Chart:
    """Return a chart with a bar for each value, from left to right."""
    top = max([*values, 0])
    told = [f"{value}{f' {unit}' if unit else ''}" for value in values]
    width = WIDTH / max(1, len(values))
    bars = []
    for place, value in enumerate(values):
        # A little is seen too. A day may have given back more than it took.
        height = max(2.0, float(value / top) * HEIGHT) if value > 0 else 0.0
        bars.append(
            Bar(
                round(place * width, 2),
                round(HEIGHT - height, 2),
                round(max(1.0, width - GAP), 2),
                round(height, 2),
                f"{labels[place]}: {told[place]}",
            )
        )
    total = f"{sum(values)}{f' {unit}' if unit else ''}"
    highest = told[list(values).index(top)] if top else "0"
    when = labels[list(values).index(top)] if top else ""
    summary = f"{total} in all; the most, {highest}, on {when}." if top else "Nothing yet."
    return Chart(
        title, summary, bars, labels[0] if labels else "", labels[-1] if labels else "", highest
    )
