"""Measure the code, so that two states of it can be compared.

python -m tools.measure [--rev REV] [--json]
python -m tools.measure --diff REV
python -m tools.measure [--rev REV] --sample 60 --seed 11
"""

import argparse
import ast
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean

from . import prose
from .trees import PACKAGE, ROOT, checked_out, end_as_interrupted

LONGEST_LINE = 100
LONGEST_FILE = 400
FUNCTIONS_LISTED = 10
NOT_OURS = {".venv", "node_modules", ".git"}

Rows = Mapping[str, float | str]
Report = dict[str, Rows]
"""The rows of each section: a label and what was measured."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    path: Path
    """From the folder of the package."""
    text: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text)))

    @cached_property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @cached_property
    def written_lines(self) -> int:
        """Count the lines that are not blank: what shares are shares of."""
        return sum(bool(line.strip()) for line in self.text.splitlines())

    @property
    def rooms(self) -> list[str]:
        """Name the rooms that it stands in: `web.py`, or `core/` and `core/stock/`."""
        folders = self.path.parent.parts
        depths = range(1, min(len(folders), 2) + 1)
        return ["/".join(folders[:depth]) + "/" for depth in depths] or [self.path.name]


def read_modules(folder: Path) -> list[Module]:
    return [Module(path.relative_to(folder), path.read_text("utf-8")) for path in _files(folder)]


def _files(folder: Path, ending: str = ".py") -> list[Path]:
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        found += [Path(parent, name) for name in names if name.endswith(ending)]
    return sorted(found)


def measure(root: Path) -> Report:
    """Measure the package, its tests and its pages in a checkout."""
    modules = read_modules(root / PACKAGE)
    return {
        "Lines by room": _by_room(modules, {module.path: module.lines for module in modules}),
        f"Files above {LONGEST_FILE} lines": _long_files(modules),
        "Longest functions": _longest_functions(modules),
        "Any in 100 lines that are not blank": _any_by_room(modules),
        "Types": _types(modules),
        f"Lines over {LONGEST_LINE} characters, of those that are not blank": _long_lines(root),
        "Docstrings": _docstrings(modules),
        "Tests": _tests(root / "tests"),
    }


def _by_room(modules: list[Module], counted: dict[Path, int]) -> dict[str, int]:
    sums: Counter[str] = Counter({"in all": sum(counted.values())})
    for module in modules:
        for room in module.rooms:
            sums[room] += counted[module.path]
    # "in all" comes first.
    return dict(sorted(sums.items(), key=lambda one: (one[0] != "in all", one[0])))


def _long_files(modules: list[Module]) -> Rows:
    longest_first = sorted(modules, key=lambda module: -module.lines)
    long = [module for module in longest_first if module.lines > LONGEST_FILE]
    return {module.path.as_posix(): module.lines for module in long}


def _any_by_room(modules: list[Module]) -> Rows:
    lines = _by_room(modules, {m.path: m.written_lines for m in modules})
    uses = _by_room(modules, {m.path: [*map(_named, m.nodes)].count("Any") for m in modules})
    shares = {room: 100 * uses[room] / max(lines[room], 1) for room in lines}
    return {room: round(share, 2) for room, share in shares.items()}


def _named(node: ast.AST) -> str | None:
    """Return the name that is used here, or None. An import is no use, nor is a definition."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _types(modules: list[Module]) -> Rows:
    nodes = [node for module in modules for node in module.nodes]
    names = Counter(map(_named, nodes))
    subscripts = [ast.unparse(node) for node in nodes if isinstance(node, ast.Subscript)]
    tops = [node for each in nodes if isinstance(each, ast.Module) for node in each.body]
    return {
        "Any": names["Any"],
        "dict[str, Any]": subscripts.count("dict[str, Any]"),
        "AnyRow": names["AnyRow"],
        "aliases of tables": sum(_is_table_alias(node) for node in tops),
        "StrEnums": sum(_is_str_enum(node) for node in nodes),
        "for _ in range(TRIES)": sum(_is_retry_loop(node) for node in nodes),
    }


def _is_table_alias(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    return isinstance(value, ast.Attribute) and value.attr == "__table__"


def _is_str_enum(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and "StrEnum" in map(_named, node.bases)


def _is_retry_loop(node: ast.AST) -> bool:
    """Tell whether it counts tries in a loop: `for _ in range(` with a constant's name."""
    if not isinstance(node, ast.For) or ast.unparse(node.target) != "_":
        return False
    return bool(re.match(r"range\(.*\b[A-Z][A-Z_]+\b", ast.unparse(node.iter)))


def _functions(modules: list[Module]) -> list[tuple[Module, Function]]:
    return [(each, node) for each in modules for node in each.nodes if isinstance(node, Function)]


def _longest_functions(modules: list[Module]) -> Rows:
    sized = []
    for module, node in _functions(modules):
        size = (node.end_lineno or node.lineno) - node.lineno + 1
        sized.append((size, f"{module.path.as_posix()} {node.name}"))
    longest = sorted(sized, key=lambda one: (-one[0], one[1]))[:FUNCTIONS_LISTED]
    return {str(rank): f"{size} {place}" for rank, (size, place) in enumerate(longest, 1)}


def _long_lines(root: Path) -> Rows:
    groups = {
        "package": _files(root / PACKAGE),
        "tests": _files(root / "tests"),
        "benchmarks, tools": _files(root / "benchmarks") + _files(root / "tools"),
        "Markdown": _files(root, ".md"),
    }
    return {name: _share_of_long_lines(files) for name, files in groups.items()}


def _share_of_long_lines(files: list[Path]) -> str:
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line]
    long = sum(len(line) > LONGEST_LINE for line in lines)
    return f"{long} of {len(lines)} ({100 * long / max(len(lines), 1):.1f} %)"


def _docstrings(modules: list[Module]) -> Rows:
    public = _public_functions(modules)
    texts = [text for node in public if (text := ast.get_docstring(node))]
    lengths = sorted(len(text) for text in texts) or [0]
    return {
        "public functions with one": len(texts),
        "public functions without": len(public) - len(texts),
        "mean length, characters": round(mean(lengths)),
        "90th percentile": lengths[len(lengths) * 9 // 10],
    }


def _public_functions(modules: list[Module]) -> list[Function]:
    """Find functions of modules and methods of classes whose names have no underscore."""
    nodes = [node for module in modules for node in module.nodes]
    owners = [node for node in nodes if isinstance(node, ast.Module | ast.ClassDef)]
    found = [node for owner in owners if not _is_private(owner) for node in owner.body]
    return [node for node in found if isinstance(node, Function) and not _is_private(node)]


def _is_private(node: ast.AST) -> bool:
    return getattr(node, "name", "").startswith("_")


def _tests(folder: Path) -> Rows:
    modules = read_modules(folder)
    functions = [node for _, node in _functions(modules) if node.name.startswith("test_")]
    return {"functions": len(functions), "lines": sum(module.lines for module in modules)}


def table(reports: dict[str, Report]) -> str:
    """Render reports side by side, a column each."""
    sections = list(reports.values())
    lines = [_row("", reports)]
    for title in sections[0]:
        lines += ["", title]
        for label in dict.fromkeys(label for report in sections for label in report[title]):
            lines.append(_row(f"  {label}", [report[title].get(label, "-") for report in sections]))
    return "\n".join(line.rstrip() for line in lines)


def _row(label: str, cells: Iterable[float | str]) -> str:
    return f"{label:44}" + "".join(f" {cell:<48}" for cell in cells)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tools.measure", description="Measure the code.")
    parser.add_argument("--rev", help="measure this revision instead of the working tree")
    parser.add_argument("--diff", metavar="REV", help="show another revision beside it")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--sample", type=int, metavar="N", help="print N docstrings and comments")
    parser.add_argument("--seed", type=int, default=11, help="what --sample draws with")
    given = parser.parse_args(arguments)
    end_as_interrupted()

    if given.sample:
        with _tree(given.rev) as root:
            print(*prose.draw(root / PACKAGE, given.sample, given.seed), sep="\n")
        return
    reports = {}
    for revision in [given.diff, given.rev] if given.diff else [given.rev]:
        with _tree(revision) as root:
            reports[revision or "working tree"] = measure(root)
    print(json.dumps(reports, indent=2) if given.json else table(reports))


def _tree(revision: str | None) -> AbstractContextManager[Path]:
    return checked_out(revision) if revision else nullcontext(ROOT)


if __name__ == "__main__":
    main()
