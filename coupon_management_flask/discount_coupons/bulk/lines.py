"""The lines of a CSV file, as coupons or as what is wrong with them."""

import csv
import io
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

import marshmallow as ma
import orjson

from ...core import errors
from ...text import spreadsheets
from .. import terms as coupon_terms
from ..schemas.coupons import CouponTemplate
from ..schemas.fields import Code
from ..stored import Json
from ..terms import Terms

# Of the parts of a list.
SEPARATOR = ";"
# Of the columns: what spreadsheets write, by where they are used. The first is the usual one.
DELIMITERS = (",", ";", "\t")
# In characters. A list may fill most of it.
LONGEST_ROW = 1_000_000
# A field may be as long as its row. How long it may be beyond that, its schema says.
csv.field_size_limit(LONGEST_ROW)
# No header that an import takes is longer, in bytes.
LONGEST_HEADER = 64 * 1024
LONGEST_NAME_TOLD = 100

_template = CouponTemplate()
_code = Code(required=True)


def _columns() -> dict[str, tuple[tuple[str, ...], ma.fields.Field[Any]]]:
    """Return the columns that there are: a coupon's fields as JSON has them.

    Those of `limits` and `schedule` stand after a dot, and each of the two also as JSON in one.
    """
    found: dict[str, tuple[tuple[str, ...], ma.fields.Field[Any]]] = {}
    for field in _template.fields.values():
        name = str(field.data_key)
        found[name] = ((name,), field)
        if isinstance(field, ma.fields.Nested):
            found |= {
                f"{name}.{key}": ((name, key), inner)
                for key, inner in _by_wire_name(field.schema).items()
            }
    return found


def _by_wire_name(schema: ma.Schema) -> dict[str, ma.fields.Field[Any]]:
    return {field.data_key or name: field for name, field in schema.fields.items()}


COLUMNS = _columns()
# Spreadsheets and people write them in another case.
_IN_ANY_CASE = {name.lower(): name for name in ("code", *COLUMNS)}
REQUIRED = ("code", *(name for name, (_, field) in COLUMNS.items() if field.required))


class Row(NamedTuple):
    """The cells of a line. `number` is the line's in the file, from 1 on."""

    number: int
    cells: list[str]


class Line(NamedTuple):
    """A good line of the file."""

    number: int
    code: str
    terms: Terms


class BadLine(NamedTuple):
    """A line that is wrong, and why."""

    line: int
    reason: str


class _Bad(Exception):
    """A line that is wrong; its text says what is."""


class _Text(Iterator[str]):
    """The lines of a file, for the parser. It keeps a row in memory until the row ends.

    Raises: _Bad where a row, which may go over several lines, is too long.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._of_this_row = 0

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_ROW + 1)
        self._of_this_row += len(line)
        if self._of_this_row > LONGEST_ROW:
            raise _Bad(f"It has more than {LONGEST_ROW:,} characters.")
        if not line:
            raise StopIteration
        return line

    def row_ends(self) -> None:
        self._of_this_row = 0


def columns(file: BinaryIO) -> list[str]:
    """Return what the first line of a file says of the others.

    Raises: Invalid where that is not what an import needs.
    """
    with closing(_records(file)) as records:
        named = [name.strip() for name in next(records, Row(1, [])).cells]
    header = [_IN_ANY_CASE.get(name.lower(), name) for name in _without_empty_end(named)]
    _check_header(header)
    return header


def _without_empty_end(cells: list[str]) -> list[str]:
    """Return cells without the empty ones that a spreadsheet has written behind them."""
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def rows(file: BinaryIO) -> Generator[Row]:
    """Return the lines below the first that are not empty, unchecked.

    Raises: Invalid where the file is no CSV.
    """
    with closing(_records(file)) as records:
        next(records, None)
        for row in records:
            # A spreadsheet writes an empty line as empty cells.
            if any(map(str.strip, row.cells)):
                yield row


def _records(file: BinaryIO) -> Generator[Row]:
    delimiter = _delimiter(file)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    bounded = _Text(text)
    reader = csv.reader(bounded, strict=True, delimiter=delimiter)
    try:
        for cells in reader:
            bounded.row_ends()
            yield Row(reader.line_num, cells)
    except _Bad as problem:
        raise errors.Invalid({f"line {reader.line_num + 1}": [str(problem)]}) from problem
    except UnicodeDecodeError as error:
        raise errors.Invalid({f"line {reader.line_num + 1}": ["It is not UTF-8."]}) from error
    except csv.Error as error:
        raise errors.Invalid({f"line {reader.line_num}": [f"No valid CSV: {error}."]}) from error
    finally:
        text.detach()


def _delimiter(file: BinaryIO) -> str:
    """Return what separates the columns that the first line names. No name holds one of these."""
    file.seek(0)
    header = re.split(rb"[\r\n]", file.read(LONGEST_HEADER), maxsplit=1)[0]
    unquoted = re.sub(rb'"[^"]*"', b"", header)
    return max(DELIMITERS, key=lambda one: unquoted.count(one.encode()))


def check(
    header: list[str], rows: Iterable[Row], currency: str
) -> tuple[list[Line], list[BadLine]]:
    """Return the good lines, and what is wrong with the others."""
    code_at = header.index("code")
    others = [(index, name) for index, name in enumerate(header) if name != "code"]
    names = tuple(name for _, name in others)
    # Lines that differ in their code alone are checked once.
    terms_of = lru_cache(maxsize=1_000)(lambda cells: _terms(names, cells, currency))
    good: list[Line] = []
    bad: list[BadLine] = []
    for number, cells in rows:
        try:
            cells = _under(header, cells)
            code = _checked_code(cells[code_at])
            terms = terms_of(tuple(cells[index] for index, _ in others))
            good.append(Line(number, code, terms))
        except _Bad as problem:
            bad.append(BadLine(number, str(problem)))
    return good, bad


def _under(header: list[str], cells: list[str]) -> list[str]:
    """Return a cell for each column, without what a spreadsheet has put around it.

    Spreadsheets write empty cells behind the last column, and some leave out those of the last.
    """
    given = len(cells)
    cells = _without_empty_end(cells) if given > len(header) else cells
    missing = header[len(cells) :]
    if len(cells) > len(header) or any(name in REQUIRED for name in missing):
        raise _Bad(f"It has {given} fields, the header has {len(header)}.")
    return [spreadsheets.without_guard(cell.strip()) for cell in cells] + [""] * len(missing)


def _check_header(header: list[str]) -> None:
    if len(header) > 2 * len(COLUMNS):
        raise errors.Invalid({"line 1": [f"It has {len(header)} columns."]})
    wrong = [
        f"Unknown column {name[:LONGEST_NAME_TOLD]!r}."
        for name in header
        if name != "code" and name not in COLUMNS
    ]
    wrong += [
        f"Column {name!r} stands there twice."
        for name in dict.fromkeys(header)
        if header.count(name) > 1
    ]
    wrong += [f"There is no column {name!r}." for name in REQUIRED if name not in header]
    if wrong:
        raise errors.Invalid({"line 1": wrong})


def _checked_code(text: str) -> str:
    try:
        return str(_code.deserialize(text))
    except ma.ValidationError as error:
        raise _Bad(f"code: {' '.join(error.messages)}") from error


def _terms(names: tuple[str, ...], cells: tuple[str, ...], currency: str) -> Terms:
    given: Json = {}
    # A field that stands in one cell and whose own fields stand in others comes last here.
    for name, text in sorted(zip(names, cells, strict=True), key=lambda pair: -pair[0].count(".")):
        if text:
            path, field = COLUMNS[name]
            inner = given.setdefault(path[0], {}) if len(path) > 1 else given
            if path[-1] in inner:
                raise _Bad(f"{name}: It stands in a column of its own and in those of its fields.")
            inner[path[-1]] = _value(field, text)
    try:
        return coupon_terms.complete({"currency": currency, **_template.load(given)})
    except ma.ValidationError as error:
        raise _Bad(_sentence(error.messages_dict)) from error
    except errors.Invalid as error:
        raise _Bad(_sentence(error.fields)) from error


def _value(field: ma.fields.Field[Any], text: str) -> object:
    """Return what JSON would have for the text of a cell.

    Text that the field can't be is left to the field to refuse.
    """
    if isinstance(field, ma.fields.Nested):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    if isinstance(field, ma.fields.List):
        return [_value(field.inner, part.strip()) for part in text.split(SEPARATOR)]
    if isinstance(field, ma.fields.Boolean):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(field, ma.fields.Integer) and re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
        return int(text)
    return text


def _sentence(messages: Any, above: str = "") -> str:
    if isinstance(messages, list | tuple):
        return f"{above}: {' '.join(map(str, messages))}"
    paths = {
        name: above if name == "_schema" else ".".join(filter(None, (above, str(name))))
        for name in messages
    }
    return " ".join(_sentence(inner, paths[name]) for name, inner in messages.items())
