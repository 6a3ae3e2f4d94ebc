"""Coupons from a CSV file: all of them, or none and what is wrong with which line.

A large file is cut into parts while it is read, which are kept in the database: any worker can make
the next one. That it is a CSV file at all is checked at once, the lines are checked part by part.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from tempfile import TemporaryFile
from typing import BinaryIO
from uuid import UUID

import orjson
import sqlalchemy as sa

from ...core import errors
from ...db.dialects import table
from ...db.failures import retried
from ...db.session import db, transaction
from ...identity import change_log
from ...models import CouponBatch, CouponImportPart, DiscountCoupon, new_id
from ..refusals import CodeTaken
from ..stored import Json
from ..wording import sentence
from . import batches, lines, write
from .batches import Batch
from .lines import BadLine, Line, Row

# The faults of at most so many lines are told.
MOST_BAD_LINES = 1_000
MADE_AT_ONCE = 10_000
MOST_CHARACTERS_OF_PART = 1_000_000
PARTS_AT_ONCE = 8
# Each is up to 64 MiB in the database.
MOST_WAITING = 20
RETRY_SECONDS = 60
# Instead of a batch's pattern: no pattern is without a `#`.
IMPORTED = "IMPORT"


@dataclass(frozen=True, slots=True)
class Imported:
    """Coupons that are there."""

    imported: int


def import_coupons(
    account_id: UUID | None, body: Iterable[bytes], *, currency: str
) -> Imported | Batch:
    """Make a coupon of each line; more than ten thousand are made in the background.

    The first line names the columns. An empty field is one that is not given. The parts of a list
    are separated by semicolons.

    Raises: Invalid, with the number and the fault of each bad line; nothing was made then.
        RateLimited where many large files wait already.
    """
    with TemporaryFile() as file:
        separators = 0
        for chunk in body:
            separators += chunk.count(lines.SEPARATOR.encode())
            file.write(chunk)
        columns = lines.columns(file)
        with closing(lines.rows(file)) as rows:
            count = sum(1 for _ in islice(rows, MADE_AT_ONCE + 1))
        if count > MADE_AT_ONCE or separators > batches.MOST_ROWS_AT_ONCE:
            with closing(lines.rows(file)) as rows:
                return _keep(account_id, columns, rows, currency)
        bad: list[BadLine] = []
        for some in _portions(lines.rows(file)):
            bad += lines.check(columns, some, currency)[1]
        _refuse(bad)
        if count == 0:
            raise errors.Invalid({"body": ["There is no coupon in it."]})
        _make_at_once(file, columns, currency, count)
    return Imported(count)


@retried
def _make_at_once(file: BinaryIO, columns: list[str], currency: str, count: int) -> None:
    bad: list[BadLine] = []
    with transaction(), closing(lines.rows(file)) as rows:
        for some in _portions(rows):
            bad += _make(lines.check(columns, some, currency)[0])
        _refuse(bad)
        change_log.note(DiscountCoupon.__tablename__, None, after={"imported": count})


def _make(good: list[Line], batch_id: UUID | None = None) -> list[BadLine]:
    """Make coupons, and return those lines whose code is taken."""
    if not good:
        return []
    made = write.write(
        [(line.code, line.terms) for line in good], is_public=True, batch_id=batch_id
    )
    return [
        BadLine(line.number, sentence(CodeTaken()))
        for line, is_made in zip(good, made, strict=True)
        if not is_made
    ]


def _refuse(bad: list[BadLine]) -> None:
    if not bad:
        return
    told = {f"line {line}": [reason] for line, reason in sorted(bad)[:MOST_BAD_LINES]}
    if len(bad) > MOST_BAD_LINES:
        told["more"] = [f"{len(bad) - MOST_BAD_LINES} further lines."]
    raise errors.Invalid(told)


def _portions(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Cut lines into as many as are written together."""
    portion: list[Row] = []
    size = length = 0
    most = write.rows_at_once()
    for row in rows:
        portion.append(row)
        text = "".join(row.cells)
        size += 1 + text.count(lines.SEPARATOR)
        length += len(text)
        if size >= most or length >= MOST_CHARACTERS_OF_PART:
            yield portion
            portion, size, length = [], 0, 0
    if portion:
        yield portion


def _keep(account_id: UUID | None, columns: list[str], rows: Iterator[Row], currency: str) -> Batch:
    """Keep a large file in the database, and ask for its first part to be made."""
    waiting = sa.select(sa.func.count()).where(
        CouponBatch.done < CouponBatch.size,
        CouponBatch.columns.is_not(None),
        CouponBatch.failed_at.is_(None),
    )
    if (db.session.scalar(waiting) or 0) >= MOST_WAITING:
        raise errors.RateLimited(RETRY_SECONDS, errors.Quota("waiting_imports", MOST_WAITING))
    batch_id, size = new_id(), 0
    try:
        parts: list[dict[str, object]] = []
        for portion in _portions(rows):
            body = b"\n".join(orjson.dumps([row.number, row.cells]) for row in portion)
            parts.append({"batch_id": batch_id, "start": size, "body": body})
            size += len(portion)
            if len(parts) == PARTS_AT_ONCE:
                _write(parts)
                parts = []
        _write(parts)
        with transaction():
            batches.create(
                batch_id,
                account_id,
                size=size,
                pattern=IMPORTED,
                template={"currency": currency},
                columns=columns,
            )
            batches.ask_for_more(batch_id, 0)
            return batches.read(batch_id)
    except errors.Invalid:
        with transaction(at_once=True):
            db.session.execute(
                sa.delete(CouponImportPart).where(CouponImportPart.batch_id == batch_id)
            )
        raise


def _write(parts: list[dict[str, object]]) -> None:
    # A few by themselves: SQLite would let nobody else write until all of a file is there. Where
    # this process dies, no batch refers to them, and they are purged.
    if parts:
        with transaction(at_once=True):
            db.session.execute(sa.insert(table(CouponImportPart)), parts)


def make_part(batch_id: UUID, start: int, *, columns: list[str], template: Json) -> None:
    """Make the coupons of the part that begins at `start`, and ask for the next.

    Codes that others have made meanwhile are bad lines too. Where any line was bad, the last part
    makes the batch fail, and so does the one that has the thousandth.
    """
    which = CouponImportPart.batch_id == batch_id, CouponImportPart.start == start
    body = db.session.scalar(sa.select(CouponImportPart.body).where(*which))
    if body is None:
        # Somebody else was faster.
        return
    rows = [Row(*orjson.loads(line)) for line in body.split(b"\n")]
    good, bad = lines.check(columns, rows, template["currency"])
    end = start + len(rows)
    with transaction():
        if not batches.advance(batch_id, start, end):
            return
        bad = sorted([*bad, *_make(good, batch_id)])
        size, before = db.session.execute(
            sa.select(CouponBatch.size, CouponBatch.faults).where(CouponBatch.id == batch_id)
        ).one()
        bad = [*(BadLine(*line) for line in before or ()), *bad][:MOST_BAD_LINES]
        db.session.execute(
            sa.delete(CouponImportPart).where(*which).execution_options(synchronize_session=False)
        )
        if len(bad) == MOST_BAD_LINES or (bad and end == size):
            batches.fail(batch_id, bad)
            return
        if bad:
            batches.note_bad_lines(batch_id, bad)
        if end < size:
            batches.ask_for_more(batch_id, end)
