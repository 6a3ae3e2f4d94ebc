"""Coupons from a CSV file: all of them, or none and what is wrong with which line."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from tempfile import TemporaryFile
from typing import Any, BinaryIO, NamedTuple

import marshmallow as ma

from ...core import errors
from ...db.failures import retried
from ...db.session import transaction
from ...identity import change_log
from ...models import DiscountCoupon
from .. import terms as coupon_terms
from ..refusals import CodeTaken
from ..schemas.coupons import CouponTemplate
from ..schemas.fields import Code
from ..stored import Json
from ..terms import Terms
from ..wording import sentence
from . import write

# The faults of at most so many lines are told.
MOST_BAD_LINES = 1_000
SEPARATOR = ";"

_template = CouponTemplate()
_code = Code(required=True)


def _columns() -> dict[str, tuple[tuple[str, ...], ma.fields.Field[Any]]]:
    """Return the columns that there are: a coupon's fields as JSON has them.

    Those of `limits` and `schedule` stand after a dot.
    """
    found: dict[str, tuple[tuple[str, ...], ma.fields.Field[Any]]] = {}
    for field in _template.fields.values():
        name = str(field.data_key)
        if isinstance(field, ma.fields.Nested):
            found |= {
                f"{name}.{key}": ((name, key), inner)
                for key, inner in _by_wire_name(field.schema).items()
            }
        else:
            found[name] = ((name,), field)
    return found


def _by_wire_name(schema: ma.Schema) -> dict[str, ma.fields.Field[Any]]:
    return {field.data_key or name: field for name, field in schema.fields.items()}


COLUMNS = _columns()
REQUIRED = ("code", *(name for name, (_, field) in COLUMNS.items() if field.required))


class Line(NamedTuple):
    """A good line of the file. `number` counts from 1."""

    number: int
    code: str
    terms: Terms


class _Bad(Exception):
    """A line that is wrong; its text says what is."""


def import_coupons(body: Iterable[bytes], *, currency: str) -> int:
    """Make a coupon of each line, and say how many.

    The first line names the columns. An empty field is one that is not given. The parts of a list
    are separated by semicolons.

    Raises: Invalid, with the number and the fault of each bad line; nothing was made then.
    """
    with TemporaryFile() as file:
        for chunk in body:
            file.write(chunk)
        bad: dict[int, str] = {}
        count = sum(1 for _ in _coupons(file, currency, bad))
        _refuse(bad)
        if count == 0:
            raise errors.Invalid({"body": ["There is no coupon in it."]})
        _write(file, currency, count)
    return count


@retried
def _write(file: BinaryIO, currency: str, count: int) -> None:
    bad: dict[int, str] = {}
    with transaction():
        waiting: list[Line] = []
        rows = 0
        for coupon in _coupons(file, currency, bad):
            waiting.append(coupon)
            rows += 1 + write.entries(coupon.terms)
            if rows >= write.ROWS_AT_ONCE:
                _write_those(waiting, bad)
                waiting, rows = [], 0
        _write_those(waiting, bad)
        _refuse(bad)
        change_log.note(DiscountCoupon.__tablename__, None, after={"imported": count})


def _write_those(waiting: list[Line], bad: dict[int, str]) -> None:
    if waiting:
        made = write.write([(line.code, line.terms) for line in waiting], is_public=True)
        bad |= {
            line.number: sentence(CodeTaken())
            for line, is_made in zip(waiting, made, strict=True)
            if not is_made
        }


def _refuse(bad: dict[int, str]) -> None:
    if not bad:
        return
    told = {f"line {line}": [reason] for line, reason in sorted(bad.items())[:MOST_BAD_LINES]}
    if len(bad) > MOST_BAD_LINES:
        told["more"] = [f"{len(bad) - MOST_BAD_LINES} further lines."]
    raise errors.Invalid(told)


def _coupons(file: BinaryIO, currency: str, bad: dict[int, str]) -> Iterator[Line]:
    """Yield the good lines; what is wrong with the others goes into `bad`."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        code_at = header.index("code")
        others = [(index, name) for index, name in enumerate(header) if name != "code"]
        # Lines that differ in their code alone are checked once.
        terms_of = lru_cache(maxsize=1_000)(
            lambda cells: _terms(tuple(name for _, name in others), cells, currency)
        )
        for cells in reader:
            if not cells:
                continue
            try:
                if len(cells) != len(header):
                    raise _Bad(f"It has {len(cells)} fields, the header has {len(header)}.")
                code = _checked_code(cells[code_at].strip())
                terms = terms_of(tuple(cells[index].strip() for index, _ in others))
                yield Line(reader.line_num, code, terms)
            except _Bad as problem:
                bad[reader.line_num] = str(problem)
    except UnicodeDecodeError as error:
        raise errors.Invalid({f"line {reader.line_num + 1}": ["It is not UTF-8."]}) from error
    except csv.Error as error:
        raise errors.Invalid({f"line {reader.line_num}": [f"No valid CSV: {error}."]}) from error
    finally:
        text.detach()


def _check_header(header: list[str]) -> None:
    wrong = [
        f"Unknown column {name!r}." for name in header if name != "code" and name not in COLUMNS
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
    for name, text in zip(names, cells, strict=True):
        if text:
            path, field = COLUMNS[name]
            inner = given.setdefault(path[0], {}) if len(path) > 1 else given
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
