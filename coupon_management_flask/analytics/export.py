"""The redemptions behind the dashboard as CSV, page after page. Nothing is held in between."""

from collections.abc import Callable, Iterator
from datetime import datetime
from heapq import merge
from itertools import chain, islice
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, money
from ..db.session import before_waiting, db
from ..models import DiscountCoupon, EmailCoupon, Redemption, RedemptionKind, first_id_at
from ..text.spreadsheets import BYTE_ORDER_MARK, as_csv
from .figures import rollup
from .figures.measures import Kind
from .window import Window

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


class Line(NamedTuple):
    id: UUID
    kind: RedemptionKind
    code: str | None
    account_id: UUID
    units: int
    amount: int
    currency: str | None
    created_at: datetime
    rolled_back_at: datetime | None
    is_email: bool


_SELECT = (
    sa.select(
        Redemption.id,
        Redemption.kind,
        Redemption.code,
        Redemption.account_id,
        Redemption.units,
        Redemption.amount,
        Redemption.currency,
        Redemption.created_at,
        Redemption.rolled_back_at,
        EmailCoupon.id.is_not(None).label("is_email"),
    )
    .outerjoin(DiscountCoupon, DiscountCoupon.stock_id == Redemption.stock_id)
    .outerjoin(EmailCoupon, EmailCoupon.coupon_id == DiscountCoupon.id)
)


def redemptions_as_csv(reader_id: UUID, *, days: int, whole_service: bool) -> Iterator[str]:
    """Return the redemptions of the last so many days as text, some thousand lines at a time.

    They are everybody's or the reader's own, the oldest first. The first ones are read before this
    returns: a database that is away is an answer of its own, not a file that ends early.
    """
    window = Window(clock.now(), days)
    rows = (
        _everybodys(window)
        if whole_service
        else merge(
            *(_own(window, reader_id, kind) for kind in RedemptionKind),
            key=attrgetter("created_at", "id"),
        )
    )
    pages = iter(lambda: list(islice(rows, ROWS_AT_ONCE)), [])
    first = next(pages, [])
    return chain(
        [BYTE_ORDER_MARK + as_csv([COLUMNS]), as_csv(map(_cells, first))],
        (as_csv(map(_cells, page)) for page in pages),
    )


def _everybodys(window: Window) -> Iterator[Line]:
    """Read redemptions in the order of their ids, in which they were made."""
    # An id is made a moment before its redemption.
    start = first_id_at(window.begin - rollup.MARGIN)
    statement = _SELECT.where(Redemption.created_at.between(window.begin, window.now))

    def page_after(last: Line | None) -> sa.ColumnElement[bool]:
        return Redemption.id >= start if last is None else Redemption.id > last.id

    return _paged(statement.order_by(Redemption.id), page_after)


def _own(window: Window, reader_id: UUID, kind: RedemptionKind) -> Iterator[Line]:
    """Read one kind of a user's redemptions. An index has them in this order."""
    statement = _SELECT.where(
        Redemption.account_id == reader_id,
        Redemption.kind == kind,
        Redemption.created_at <= window.now,
    )
    key = sa.tuple_(Redemption.created_at, Redemption.id)

    def page_after(last: Line | None) -> sa.ColumnElement[bool]:
        if last is None:
            return Redemption.created_at >= window.begin
        return key > (last.created_at, last.id)

    return _paged(statement.order_by(Redemption.created_at, Redemption.id), page_after)


def _paged(
    statement: sa.Select[*tuple[object, ...]],
    page_after: Callable[[Line | None], sa.ColumnElement[bool]],
) -> Iterator[Line]:
    last: Line | None = None
    while True:
        found = db.session.execute(statement.where(page_after(last)).limit(ROWS_AT_ONCE))
        page = list(map(Line._make, found))
        if not page:
            return
        # Whoever reads them may be slow.
        before_waiting()
        yield from page
        last = page[-1]


def _cells(line: Line) -> tuple[object, ...]:
    amount = (
        money.written(money.from_minor(line.amount, line.currency), line.currency)
        if line.currency
        else line.amount
    )
    return (
        line.id,
        Kind.EMAIL if line.is_email else line.kind,
        line.code or "",
        line.account_id,
        line.units,
        amount,
        line.currency or "credits",
        clock.rfc3339(line.created_at),
        "" if line.rolled_back_at is None else clock.rfc3339(line.rolled_back_at),
    )
