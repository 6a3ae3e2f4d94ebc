"""The one loop around a claim: claim, look why it was lost, and try again."""

from collections.abc import Callable
from typing import TypeVar

from . import errors

TRIES = 5

Seen = TypeVar("Seen")
Won = TypeVar("Won")


class Overtaken(Exception):
    """Somebody else has made the same claim at the same moment."""


LOST = (errors.Exhausted, Overtaken)


def claim_or_explain(
    claim: Callable[[Seen], Won],
    seen: Seen,
    explain: Callable[[], Seen],
    *,
    lost: tuple[type[Exception], ...] = LOST,
) -> Won:
    """Claim what was `seen`; where the claim is lost, say why, or claim what is seen then.

    A claim decides in one statement, which tells that it lost but not why. `explain` looks again:
    it raises what refuses, or returns what it saw where nothing refuses any more. In that case
    what was in the way has gone, and the claim is worth another try.

    Raises: what `claim` and `explain` raise, and Unavailable after five claims lost for no reason
        that could be seen.
    """
    for _ in range(TRIES):
        try:
            return claim(seen)
        except lost:
            seen = explain()
    raise errors.Unavailable
