"""What a rule of the books is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVarTuple

import sqlalchemy as sa

from ..db.session import db

Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that must hold.

    Where `suspicion` finds nothing, it does. Otherwise `sentences` says what is wrong, if anything
    is.
    """

    suspicion: sa.SelectBase
    sentences: Callable[[], Iterator[str]]


def rule(
    broken: sa.Select[*Ts],
    sentence: Callable[[*Ts], str],
    suspicion: sa.SelectBase | None = None,
) -> Rule:
    """Return the rule that `broken` finds no rows; `sentence` describes one of them.

    A `suspicion` is cheaper to ask than `broken` itself.
    """

    def sentences() -> Iterator[str]:
        for row in db.session.execute(broken):
            yield sentence(*row)

    return Rule(broken if suspicion is None else suspicion, sentences)
