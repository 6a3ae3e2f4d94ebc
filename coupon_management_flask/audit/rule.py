"""What a rule of the books is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVarTuple

import sqlalchemy as sa

from ..db.session import db

Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Rule:
    """A statement that finds what breaks a rule, and nothing where all adds up.

    `sentences` runs it and gives a sentence for each row.
    """

    statement: sa.SelectBase
    sentences: Callable[[], Iterator[str]]


def rule(broken: sa.Select[*Ts], sentence: Callable[[*Ts], str]) -> Rule:
    """Return the rule that `broken` finds no rows; `sentence` describes one of them."""

    def sentences() -> Iterator[str]:
        for row in db.session.execute(broken):
            yield sentence(*row)

    return Rule(broken, sentences)
