"""The redemptions behind the dashboard, as CSV: page after page, of which nothing is held in between."""

import csv
from collections.abc import Iterable, Iterator
from heapq import merge
from io import StringIO
from itertools import chain, islice
from operator import attrgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, money
from ..db.session import AnyRow, before_waiting, db
from ..models import DiscountCoupon, EmailCoupon, Redemption
from ..web.spreadsheets import no_formula
from .figures import rollup
from .queries import Window

ROWS_AT_ONCE = 1_000
COLUMNS = (
    "id",
    "kind",
    "code",
    "account_id",
    "units",
    "amount",
    "currency",
    "redeemed_at",
    "rolled_back_at",
)

# Of redemptions as they are stored: e-mail coupons are discounts there.
_KINDS = ("credit", "discount", "promo", "voucher")

_redemptions: Any = Redemption.__table__
_discounts: Any = DiscountCoupon.__table__
_emails: Any = EmailCoupon.__table__

_SELECT: Any = (
    sa.select(*_redemptions.c, _emails.c.id.is_not(None).label("is_email"))
    .outerjoin(_discounts, _discounts.c.stock_id == _redemptions.c.stock_id)
    .outerjoin(_emails, _emails.c.coupon_id == _discounts.c.id)
)


def redemptions_as_csv(reader_id: UUID, *, days: int, whole_service: bool) -> Iterator[str]:
    """Text, some thousand lines at a time: everybody's redemptions of the last so many days, or the reader's own, the oldest first.

    The first ones are read before this returns: a database that is away is an answer of its own, not a file that ends early.
    """
    window = Window(clock.now(), days)
    rows = (
        _everybodys(window)
        if whole_service
        else merge(
            *(_own(window, reader_id, kind) for kind in _KINDS), key=attrgetter("created_at", "id")
        )
    )
    pages = iter(lambda: list(islice(rows, ROWS_AT_ONCE)), [])
    first = next(pages, [])
    return (
        _as_text(page)
        for page in chain([[COLUMNS], map(_cells, first)], (map(_cells, page) for page in pages))
    )


def _everybodys(window: Window) -> Iterator[AnyRow]:
    """In the order of their ids, which is that in which they were made."""
    # An id is made a moment before its redemption.
    start = rollup.first_id_at(window.begin - rollup.MARGIN)
    statement = _SELECT.where(_redemptions.c.created_at.between(window.begin, window.now)).order_by(
        _redemptions.c.id
    )
    return _paged(
        statement.where(_redemptions.c.id >= start),
        lambda last: statement.where(_redemptions.c.id > last.id),
    )


def _own(window: Window, reader_id: UUID, kind: str) -> Iterator[AnyRow]:
    mine = (
        _redemptions.c.account_id == reader_id,
        _redemptions.c.kind == kind,
        _redemptions.c.created_at <= window.now,
    )
    statement = _SELECT.where(*mine).order_by(_redemptions.c.created_at, _redemptions.c.id)
    key = sa.tuple_(_redemptions.c.created_at, _redemptions.c.id)
    return _paged(
        statement.where(_redemptions.c.created_at >= window.begin),
        lambda last: statement.where(key > (last.created_at, last.id)),
    )


def _paged(first: Any, after: Any) -> Iterator[AnyRow]:
    page = db.session.execute(first.limit(ROWS_AT_ONCE)).all()
    while page:
        # Whoever reads them may be slow.
        before_waiting()
        yield from page
        page = db.session.execute(after(page[-1]).limit(ROWS_AT_ONCE)).all()


def _cells(row: AnyRow) -> tuple[Any, ...]:
    amount = (
        money.written(money.from_minor(row.amount, row.currency), row.currency)
        if row.currency
        else row.amount
    )
    kind = "email" if row.is_email else row.kind
    moments = (
        clock.rfc3339(row.created_at),
        "" if row.rolled_back_at is None else clock.rfc3339(row.rolled_back_at),
    )
    return (
        row.id,
        kind,
        no_formula(row.code or ""),
        row.account_id,
        row.units,
        amount,
        row.currency or "credits",
        *moments,
    )


def _as_text(lines: Iterable[Iterable[Any]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()
