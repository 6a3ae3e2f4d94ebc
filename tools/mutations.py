"""Small faults that can be put into code: where they fit, and the code with one of them in it."""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

Definition = ast.FunctionDef | ast.AsyncFunctionDef
Located = ast.stmt | ast.expr | ast.keyword
Words = tuple[str, ...]

OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
SAME_SIGN = {"is": "==", "is not": "!="}
"""Enum members may be compared by either."""

BOUNDING_ARGUMENTS = re.compile(r"(min|max|least|most|limit|size|length)(_|$)")
CONSTANT = re.compile(r"_?[A-Z][A-Z\d_]+")
CONDITIONS_GIVEN_AS = {"only_if", "conditions"}


class Kind(StrEnum):
    COMPARISON = "comparison"
    BOUND = "bound"
    RAISE = "raise"
    CONDITION = "condition"


@dataclass(frozen=True)
class Mutation:
    """A fault at one place. The words tell the place from others after the code has moved."""

    kind: Kind
    change: str
    """What is done, so that the same can be done elsewhere: `< to <=`."""
    file: str
    line: int
    definition: str
    """The function or constant around it, with its class: `Cart.add`."""
    span: tuple[int, int]
    """The bytes of the file that are replaced."""
    replacement: str
    own: Words
    """Of what is changed."""
    near: Words
    """Of the statements before, around and after."""
    around: Words
    """Of the whole definition."""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line} {self.definition}"

    def apply(self, source: bytes) -> bytes:
        start, end = self.span
        return source[:start] + self.replacement.encode() + source[end:]


def find(source: bytes, file: str) -> list[Mutation]:
    """Find every mutation that fits a module, in the order of its lines."""
    return sorted(_Module(source, file).mutations(), key=lambda found: (found.line, found.span))


@dataclass(frozen=True)
class _Change:
    kind: Kind
    change: str
    replaced: Located
    replacement: str
    own: Located


class _Module:
    def __init__(self, source: bytes, file: str) -> None:
        self._file = file
        self._tree = ast.parse(source)
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def mutations(self) -> Iterator[Mutation]:
        yield from self._in_block(self._tree)

    def _in_block(
        self,
        owner: ast.AST,
        names: tuple[str, ...] = (),
        definition: ast.stmt | None = None,
    ) -> Iterator[Mutation]:
        """Go through the statements of a block and of those inside it."""
        for block in _blocks(owner):
            for place, statement in enumerate(block):
                # A function within a function is a part of it.
                inner = names if definition else (*names, *_names(statement))
                is_class = isinstance(statement, ast.ClassDef)
                whole = definition or (None if is_class else statement)
                near = [owner, *block[max(place - 1, 0) : place + 2]]
                for change in _changes(statement):
                    yield self._mutation(change, ".".join(inner), near, whole or statement)
                yield from self._in_block(statement, inner, whole)

    def _mutation(
        self,
        change: _Change,
        definition: str,
        near: list[ast.AST],
        whole: ast.AST,
    ) -> Mutation:
        return Mutation(
            change.kind,
            change.change,
            self._file,
            change.own.lineno,
            definition,
            self._span(change.replaced),
            change.replacement,
            words(change.own),
            tuple(word for statement in near for word in words(_head(statement))),
            words(whole),
        )

    def _span(self, node: Located) -> tuple[int, int]:
        start = self._starts[node.lineno - 1] + node.col_offset
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return start, self._starts[end_line - 1] + end_column


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
    parts = [*getattr(node, "handlers", []), *getattr(node, "cases", [])]
    return [block for block in blocks if isinstance(block, list)] + [part.body for part in parts]


def _names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.ClassDef | Definition):
        return [statement.name]
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _head(statement: ast.AST) -> ast.AST:
    """Copy a statement without the blocks inside it."""
    if not _blocks(statement) or isinstance(statement, ast.expr):
        return statement
    head = copy.copy(statement)
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        if hasattr(head, name):
            setattr(head, name, [ast.Pass()] if name == "body" else [])
    return head


def _changes(statement: ast.stmt) -> Iterator[_Change]:
    """Find what can be changed in a statement, blocks inside it left out."""
    if isinstance(statement, ast.Raise):
        yield _Change(Kind.RAISE, "removed", statement, "pass", statement)
    if isinstance(statement, ast.Assign | ast.AnnAssign) and _is_constant(statement):
        yield from _one_more(statement.value, statement)
    for node in _expressions(statement):
        if isinstance(node, ast.Compare):
            yield from _in_comparison(node)
        elif isinstance(node, ast.keyword) and BOUNDING_ARGUMENTS.search(node.arg or ""):
            yield from _one_more(node.value, node)
        else:
            yield from _without_conditions(node)


def _is_constant(statement: ast.Assign | ast.AnnAssign) -> bool:
    names = _names(statement)
    return bool(names) and all(map(CONSTANT.fullmatch, names))


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        # Python 3.11 does not know where in an f-string an expression stands.
        if isinstance(child, ast.stmt | ast.JoinedStr | ast.excepthandler | ast.match_case):
            continue
        yield child
        yield from _expressions(child)


def _one_more(number: ast.expr | None, within: Located) -> Iterator[_Change]:
    """Add one to a number; to anything else, nothing."""
    if isinstance(number, ast.Constant) and type(number.value) is int:
        yield _Change(Kind.BOUND, "one more", number, str(number.value + 1), within)


def _in_comparison(node: ast.Compare) -> Iterator[_Change]:
    for place, (operator, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
        # With `is None` turned round nearly every use fails, which any test notices.
        if isinstance(operator, ast.Is | ast.IsNot) and isinstance(right, ast.Constant):
            continue
        changed = copy.deepcopy(node)
        changed.ops[place] = OPPOSITES[type(operator)]()
        change = f"{_sign(operator)} to {_sign(changed.ops[place])}"
        yield _Change(Kind.COMPARISON, change, node, f"({ast.unparse(changed)})", node)
    for side in (node.left, *node.comparators):
        yield from _one_more(side, node)


def _sign(operator: ast.cmpop) -> str:
    sign = ast.unparse(ast.Compare(ast.Name("_"), [operator], [ast.Name("_")])).strip("_ ")
    return SAME_SIGN.get(sign, sign)


def _without_conditions(node: ast.AST) -> Iterator[_Change]:
    """Leave out one condition: of `and`, of `.where(...)`, or of a list that is given as some."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        yield from _without_each(node, "values")
    elif isinstance(node, ast.Call):
        method = getattr(node.func, "attr", "")
        # `and_()` of nothing is an error of its own.
        if method == "where" or (method == "and_" and len(node.args) > 1):
            yield from _without_each(node, "args")
    elif isinstance(node, ast.keyword) and node.arg in CONDITIONS_GIVEN_AS:
        yield from _without_each(node.value, "elts")


def _without_each(node: ast.expr, field: str) -> Iterator[_Change]:
    for place, condition in enumerate(getattr(node, field, [])):
        changed = copy.deepcopy(node)
        remaining = getattr(changed, field)
        del remaining[place]
        if isinstance(node, ast.BoolOp) and len(remaining) == 1:
            changed = remaining[0]
        yield _Change(Kind.CONDITION, "removed", node, f"({ast.unparse(changed)})", condition)


def words(node: ast.AST) -> Words:
    """Split code into words that stay when it moves.

    `_coupons.c.value`, `Coupon.value` and `row["value"]` all read `value`, and so does `"value"`:
    prefixes, quotes, case, annotations and docstrings are left out.
    """
    text = ast.unparse(_Bare().visit(copy.deepcopy(node)))
    text = re.sub(r"""\[(['"])(\w+)\1\]""", r".\2", text)
    text = re.sub(r"\b[A-Za-z_]\w*\.(?=[A-Za-z_])", "", text)
    text = text.replace(" is not ", " != ").replace(" is ", " == ")
    text = re.sub(r"\bliteral\(([^(),]*)[^()]*\)", r"\1", text)
    return tuple(word.strip("_").casefold() for word in re.findall(r"\w+|[^\w\s'\"]+", text))


class _Bare(ast.NodeTransformer):
    """Takes annotations and strings that stand alone out of code."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        value = self.visit(node.value) if node.value else ast.Constant(None)
        return ast.Assign([node.target], value, lineno=node.lineno)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.Pass()
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        node.decorator_list = []
        return self.generic_visit(node)
