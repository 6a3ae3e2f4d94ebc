"""Measures the working tree: beside what it could do at most, or against another commit.

python -m benchmarks [--seconds 5] [--promos 1000000] [--only feed activate]
python -m benchmarks --against HEAD~3 [--seconds 2] [--rounds 4] [--promos 20000] [--only feed]
"""

import argparse
import shutil
import signal
import sys

from . import against, alone
from .scenarios import SCENARIOS, Scenario


def _chosen(only: list[str], *, by_size: bool) -> list[Scenario]:
    """Find the scenarios whose names start like this; without `by_size`, of equal names the last.

    Raises: SystemExit where there is none.
    """
    found = [one for one in SCENARIOS if not only or one.name.startswith(tuple(only))]
    if not found:
        names = ", ".join(dict.fromkeys(f'"{one.name}"' for one in SCENARIOS))
        raise SystemExit(f"There is no such scenario. There are {names}.")
    return found if by_size else list({one.name: one for one in found}.values())


def _arguments() -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks", None, __doc__, formatter_class=form)
    parser.add_argument("--against", metavar="REV", help="a commit to compare this tree with")
    parser.add_argument("--seconds", type=_positive, help="for each figure, or each round (5, 2)")
    parser.add_argument("--rounds", type=_positive, default=4, help="of each side, with --against")
    parser.add_argument("--promos", type=_positive, help="in the (large) database")
    parser.add_argument("--only", nargs="*", default=[], help="how names of scenarios start")
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _compare(arguments: argparse.Namespace) -> None:
    wrong = against.compare(
        arguments.against,
        _chosen(arguments.only, by_size=False),
        seconds=arguments.seconds or 2,
        rounds=arguments.rounds,
        promos=arguments.promos or 20_000,
    )
    if wrong:
        raise SystemExit(f"\nMore than 1 % was refused: {', '.join(wrong)}.")


def main() -> None:
    arguments = _arguments()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed (apt-get install wrk).")
    # However it is ended, what it has started is stopped first.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, _frame: sys.exit(128 + number))
    if arguments.against is not None:
        _compare(arguments)
    else:
        chosen = _chosen(arguments.only, by_size=True)
        promos = arguments.promos or 1_000_000
        alone.measure(chosen, seconds=arguments.seconds or 5, promos=promos)


if __name__ == "__main__":
    main()
