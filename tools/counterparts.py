"""Find in another tree the place of the same code: it may have moved, and be called otherwise."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from .mutations import Mutation, Words, find
from .trees import python_files

ENOUGH = 0.6
"""How alike a place must be, of 1, and so must what is changed there by itself."""
MARGIN = 0.05
"""How much more alike another place of the old tree must be to count as the origin."""
TRIED = 5
OWN, NEAR, AROUND = 0.45, 0.35, 0.2
"""What the words of a mutation weigh."""


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
    """The places of an old and of a new tree that can be mutated."""

    def __init__(self, old: Iterable[Mutation], new: Iterable[Mutation]) -> None:
        self._old, self._new = _by_change(old), _by_change(new)

    def counterpart(self, mutation: Mutation) -> Counterpart | None:
        """Find the new place that is most like the mutation's; None where none is like enough."""
        there = self._new[mutation.kind, mutation.change]
        found = [Counterpart(place, _likeness(mutation, place, ENOUGH)) for place in there]
        alike = [one for one in found if one.likeness >= ENOUGH]
        # Of equals, the one that stayed in its file.
        alike.sort(key=lambda one: (-one.likeness, one.mutation.file != mutation.file))
        return next((one for one in alike[:TRIED] if not self._has_closer(mutation, one)), None)

    def _has_closer(self, mutation: Mutation, found: Counterpart) -> bool:
        """Tell whether the place that was found comes from another one of the old tree.

        Where code was removed, its twin in another feature must not pass for it.
        """
        closer = found.likeness + MARGIN
        others = self._old[mutation.kind, mutation.change]
        likeness = (_likeness(one, found.mutation, closer) for one in others if one != mutation)
        return any(each > closer for each in likeness)


def _by_change(mutations: Iterable[Mutation]) -> dict[tuple[str, str], list[Mutation]]:
    found: dict[tuple[str, str], list[Mutation]] = defaultdict(list)
    for mutation in mutations:
        found[mutation.kind, mutation.change].append(mutation)
    return found


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
