"""Find in another tree the place of the same code: it may have moved, and be called otherwise."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from .mutations import Mutation, Words, find
from .trees import python_files

ENOUGH = 0.6
"""How alike a place must be, of 1; and what is changed there by itself."""

OWN, NEAR, AROUND = 0.45, 0.35, 0.2


@dataclass(frozen=True)
class Counterpart:
    mutation: Mutation
    likeness: float


def find_all(folder: Path) -> list[Mutation]:
    """Find every mutation of a package; files are named from its folder."""
    found = []
    for path in python_files(folder):
        found += find(path.read_bytes(), path.relative_to(folder).as_posix())
    return found


class Places:
    """Where a tree can be mutated, by kind and change."""

    def __init__(self, mutations: Iterable[Mutation]) -> None:
        self._by_change: dict[tuple[str, str], list[Mutation]] = defaultdict(list)
        for mutation in mutations:
            self._by_change[mutation.kind, mutation.change].append(mutation)

    def counterpart(self, mutation: Mutation) -> Counterpart | None:
        """Find the place that is most like the mutation's, or None where none is like enough."""
        best: Counterpart | None = None
        for other in self._by_change[mutation.kind, mutation.change]:
            at_least = best.likeness if best else ENOUGH
            likeness = _likeness(mutation, other, at_least)
            # Of equals, the one that stayed in its file.
            if likeness > at_least or (likeness == at_least and other.file == mutation.file):
                best = Counterpart(other, likeness)
        return best


def _likeness(one: Mutation, other: Mutation, at_least: float) -> float:
    """Weigh how alike two places are; 0 as soon as it can't reach `at_least`."""
    own = _ratio(one.own, other.own)
    if own < ENOUGH or OWN * own + NEAR + AROUND < at_least:
        return 0.0
    likeness = OWN * own + NEAR * _ratio(one.near, other.near)
    if likeness + AROUND < at_least:
        return 0.0
    return likeness + AROUND * _ratio(one.around, other.around)


def _ratio(one: Words, other: Words) -> float:
    return 1.0 if one == other else SequenceMatcher(None, one, other, autojunk=False).ratio()
