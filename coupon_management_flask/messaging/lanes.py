"""Lanes: the receivers of one topic, none of which waits for another.

A process delivers several messages of such a topic side by side, and few of them to any one
receiver. One that has kept somebody waiting has fewer, and all of those together never have all
threads. So however many of them hang, there are threads left for the others.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from ..models import OutboxMessage

MOST_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes that are not served now, and those whose last delivery took too long."""

    closed: frozenset[str]
    slow: frozenset[str]


class InFlight:
    """What this process is delivering at the moment, by topic and lane."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else begin or end a delivery during the block."""
        with self._lock:
            yield

    def begin(self, topic: str, lane: str) -> None:
        self._counts[topic, lane] += 1

    def end(self, topic: str, lane: str) -> None:
        with self._lock:
            self._counts[topic, lane] -= 1
            if self._counts[topic, lane] <= 0:
                del self._counts[topic, lane]

    def without(self, topic: str, lanes: Lanes, at_once: int) -> set[str]:
        """Return the lanes to which nothing more is to be delivered now."""
        counts = {lane: count for (name, lane), count in self._counts.items() if name == topic}
        full = {lane for lane, count in counts.items() if count >= MOST_AT_ONCE}
        slow = sum(count for lane, count in counts.items() if lane in lanes.slow)
        if slow >= max(1, at_once // 2):
            full |= lanes.slow
        else:
            full |= lanes.slow & counts.keys()
        return full | lanes.closed


def _is_waiting(message: type[OutboxMessage]) -> sa.ColumnElement[bool]:
    return sa.and_(message.delivered_at.is_(None), message.given_up_at.is_(None))


def first_due(
    topic: str, without: set[str], now: datetime
) -> sa.Select[tuple[str | None, datetime | None]]:
    """Return the statement that finds the lane whose first message has been due for longest.

    It goes from lane to lane by the index, and never through all that waits in one of them.
    """
    first, following, due = (aliased(OutboxMessage) for _ in range(3))
    lanes = (
        sa.select(sa.func.min(first.lane).label("lane"))
        .where(_is_waiting(first), first.topic == topic)
        .cte("lanes", recursive=True)
    )
    after = (
        sa.select(sa.func.min(following.lane))
        .where(_is_waiting(following), following.topic == topic, following.lane > lanes.c.lane)
        .scalar_subquery()
    )
    lanes = lanes.union_all(sa.select(after).where(lanes.c.lane.is_not(None)))
    due_at = (
        sa.select(sa.func.min(due.due_at))
        .where(_is_waiting(due), due.topic == topic, due.lane == lanes.c.lane)
        .scalar_subquery()
    )
    firsts = (
        sa.select(lanes.c.lane, due_at.label("due_at"))
        .where(lanes.c.lane.is_not(None), lanes.c.lane.not_in(without))
        .subquery()
    )
    return (
        sa.select(firsts.c.lane, firsts.c.due_at)
        .where(firsts.c.due_at <= now)
        .order_by(firsts.c.due_at)
        .limit(1)
    )
