"""Docstrings and comments of a module, to be drawn by chance and read."""

import ast
import inspect
import io
import random
import textwrap
import tokenize
from dataclasses import dataclass
from pathlib import Path

from .trees import python_files


@dataclass(frozen=True, order=True)
class Passage:
    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n{textwrap.indent(self.text, '    ')}\n"


def draw(folder: Path, count: int, seed: int) -> list[Passage]:
    """Draw passages from all files below a folder. A seed draws the same from the same text."""
    passages: list[Passage] = []
    for path in python_files(folder):
        passages += read(path.read_text("utf-8"), path.relative_to(folder).as_posix())
    return sorted(random.Random(seed).sample(passages, min(count, len(passages))))


def read(text: str, file: str) -> list[Passage]:
    return sorted([*_docstrings(text, file), *_comments(text, file)])


def _docstrings(text: str, file: str) -> list[Passage]:
    """Find every string that is a statement: the docstrings of attributes too."""
    found = []
    for node in ast.walk(ast.parse(text)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found.append(Passage(file, value.lineno, inspect.cleandoc(value.value)))
    return found


def _comments(text: str, file: str) -> list[Passage]:
    """Find comments. Those on lines of their own that follow each other are one passage."""
    blocks: list[list[tuple[int, str]]] = []
    end_of_block = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, comment = token.start[0], token.string.lstrip("# ")
        stands_alone = token.line.lstrip().startswith("#")
        if stands_alone and line == end_of_block + 1:
            blocks[-1].append((line, comment))
        else:
            blocks.append([(line, comment)])
        end_of_block = line if stands_alone else 0
    passages = [Passage(file, block[0][0], "\n".join(c for _, c in block)) for block in blocks]
    return [one for one in passages if not one.text.startswith(("noqa", "type:", "pragma:"))]
