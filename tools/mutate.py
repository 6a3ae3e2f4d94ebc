"""Put the same faults into an old revision and the working tree, and compare what tests notice.

    python -m tools.mutate --old REV --feature credit_coupons vouchers [--count 10] [--seed 11]
    python -m tools.mutate --old REV --feature core --list

Faults are drawn from the old code and looked for in the new by what the code says. A fault that
only the old tests notice is a rule that has lost its test: the command then exits with 1. A fault
without a counterpart is for a person to look at.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from .counterparts import Counterpart, Places, find_all
from .features import FEATURES, draw, order_tests
from .mutations import Mutation
from .runs import Outcome, Result, Tests, applied
from .trees import PACKAGE, checked_out, end_as_interrupted, working_tree

Given = TypeVar("Given")
Answer = TypeVar("Answer")

SECONDS = 300
SECONDS_UNCHANGED = 3600


@dataclass(frozen=True)
class Tree:
    folder: Path
    is_new: bool

    def __str__(self) -> str:
        return "new tree" if self.is_new else "old tree"


Pair = tuple[Tree, Tree]
"""An old and a new tree, which one thread has at a time."""


@dataclass(frozen=True)
class Drawn:
    feature: str
    mutation: Mutation
    counterpart: Counterpart | None

    def __str__(self) -> str:
        mutation = self.mutation
        text = f"{self.feature}: {mutation.kind}, {' '.join(mutation.own)[:60]} {mutation.change}"
        if self.counterpart is None:
            return f"{text}\n    old {mutation.place}\n    new no counterpart"
        place, likeness = self.counterpart.mutation.place, self.counterpart.likeness
        return f"{text}\n    old {mutation.place}\n    new {place} ({likeness:.2f} alike)"


@dataclass(frozen=True)
class Judged:
    drawn: Drawn
    old: Outcome
    new: Outcome

    @property
    def is_lost(self) -> bool:
        return (self.old.result, self.new.result) == (Result.KILLED, Result.SURVIVED)

    def row(self) -> list[str]:
        mutation, other = self.drawn.mutation, self.drawn.counterpart
        return [
            "LOST" if self.is_lost else "",
            self.drawn.feature,
            mutation.kind,
            mutation.change,
            mutation.place,
            self.old.result,
            other.mutation.place if other else "",
            f"{other.likeness:.2f}" if other else "",
            self.new.result,
        ]

    def __str__(self) -> str:
        return f"{self.drawn}\n    old {self.old}, new {self.new}"


def draw_from(pair: Pair, features: list[str], count: int, seed: int) -> list[Drawn]:
    """Draw mutations from the old tree, and find each one's counterpart in the new."""
    old, new = (find_all(tree.folder / PACKAGE) for tree in pair)
    places = Places(old, new)
    drawn: list[Drawn] = []
    for feature in features:
        mutations = draw(old, feature, count, seed)
        drawn += [Drawn(feature, mutation, places.counterpart(mutation)) for mutation in mutations]
    return drawn


class Comparison:
    """Judges mutations in several pairs of trees at once."""

    def __init__(self, pairs: list[Pair], tests_given: Sequence[str] = ()) -> None:
        self._pairs: SimpleQueue[Pair] = SimpleQueue()
        for pair in pairs:
            self._pairs.put(pair)
        self._given = tests_given
        self._tests = Tests()
        self._executor = ThreadPoolExecutor(len(pairs))
        self._seconds: dict[tuple[str, bool], float] = {}
        """How long a feature's tests may take, in the old tree and in the new."""

    def run(self, drawn: list[Drawn]) -> list[Judged]:
        """Judge all, in their order. Raises SystemExit where the tests fail without a mutation."""
        try:
            self._all(self._try_unchanged, list(dict.fromkeys(one.feature for one in drawn)))
            return self._all(self._judge, drawn)
        finally:
            self._tests.end()
            self._executor.shutdown(cancel_futures=True)

    def _all(self, call: Callable[[Pair, Given], Answer], given: list[Given]) -> list[Answer]:
        """Call it for each, with a pair of trees of its own, and report as they are done."""

        def with_pair(one: Given) -> Answer:
            pair = self._pairs.get()
            try:
                return call(pair, one)
            finally:
                self._pairs.put(pair)

        futures = [self._executor.submit(with_pair, one) for one in given]
        for done, future in enumerate(as_completed(futures), 1):
            print(f"{done} of {len(given)}: {future.result()}", file=sys.stderr, flush=True)
        return [future.result() for future in futures]

    def _try_unchanged(self, pair: Pair, feature: str) -> str:
        """Make sure that a feature's tests pass as they are, and note how long they may take."""
        report = f"{feature} without a fault:"
        for tree in pair:
            start = time.monotonic()
            files = order_tests(tree.folder, self._paths(feature, tree))
            outcome = self._tests.run(tree.folder, files, SECONDS_UNCHANGED)
            took = time.monotonic() - start
            if outcome.result is not Result.SURVIVED:
                raise SystemExit(f"{report} {tree} {outcome}. Nothing can be said of it.")
            self._seconds[feature, tree.is_new] = max(SECONDS, 2 * took)
            report += f" {tree} {took:.0f} s"
        return report

    def _judge(self, pair: Pair, drawn: Drawn) -> Judged:
        old_tree, new_tree = pair
        old = self._run(drawn.feature, old_tree, drawn.mutation)
        new = Outcome(Result.NOT_RUN)
        if drawn.counterpart is None:
            new = Outcome(Result.NO_COUNTERPART)
        elif old.result is Result.KILLED:
            new = self._run(drawn.feature, new_tree, drawn.counterpart.mutation, old.test)
        return Judged(drawn, old, new)

    def _run(self, feature: str, tree: Tree, mutation: Mutation, likely: str = "") -> Outcome:
        files = order_tests(tree.folder, self._paths(feature, tree), mutation, likely)
        with applied(mutation, tree.folder):
            return self._tests.run(tree.folder, files, self._seconds[feature, tree.is_new])

    def _paths(self, feature: str, tree: Tree) -> Sequence[str]:
        known = FEATURES[feature]
        return self._given or known.tests + (known.tests_moved_to if tree.is_new else ())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tools.mutate", description=__doc__.split("\n")[0])
    parser.add_argument("--feature", nargs="+", required=True, choices=FEATURES, metavar="NAME")
    parser.add_argument("--old", default="HEAD", metavar="REV", help="what faults are drawn from")
    parser.add_argument("--new", metavar="REV", help="instead of the working tree")
    parser.add_argument("--count", type=int, default=10, help="faults a feature")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tests", nargs="+", default=[], metavar="PATH", help="run these instead")
    parser.add_argument("--list", action="store_true", help="show what is drawn and run nothing")
    given = parser.parse_args(arguments)
    end_as_interrupted()

    new_revision = given.new or working_tree()
    with ExitStack() as stack:

        def pair() -> Pair:
            old = stack.enter_context(checked_out(given.old))
            new = stack.enter_context(checked_out(new_revision))
            return Tree(old, is_new=False), Tree(new, is_new=True)

        pairs = [pair() for _ in range(1 if given.list else given.jobs)]
        drawn = draw_from(pairs[0], given.feature, given.count, given.seed)
        print(*drawn, sep="\n")
        if given.list:
            return 0
        judged = Comparison(pairs, given.tests).run(drawn)
    print(_table([one.row() for one in judged]))
    endings = Counter(f"old {one.old.result}, new {one.new.result}" for one in judged)
    print(*(f"{count} {ending}" for ending, count in endings.most_common()), sep="\n")
    return int(any(one.is_lost for one in judged))


def _table(rows: list[list[str]]) -> str:
    rows = [
        ["", "feature", "kind", "change", "old place", "old", "new place", "alike", "new"],
        *rows,
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(["", *lines, ""])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
