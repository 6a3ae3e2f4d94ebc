"""Promos as a user sees them: one, the feed, and what the user has activated."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ...core import stock
from ...db.dialects import one_of
from ...db.session import db
from ...db.statements import Prepared, Rows
from ...models import (
    Account,
    Promo,
    PromoCounter,
    PromoLike,
    Redemption,
    RedemptionKind,
    Stock,
)
from .. import targeting
from ..errors import PromoNotFound
from ..feed import days, search


class Reader(Protocol):
    """The user who looks, and what targeting goes by."""

    @property
    def id(self) -> UUID: ...
    @property
    def age(self) -> int | None: ...
    @property
    def country(self) -> str | None: ...


class SeenPromo(NamedTuple):
    """A promo as a user sees it: never with a value, for that is what activating is for.

    The feed makes more of these than of anything else, and a frozen dataclass takes three times
    as long to make.
    """

    id: UUID
    company_id: UUID
    company_name: str
    description: str
    image_url: str | None
    active: bool
    is_activated: bool
    likes: int
    is_liked: bool
    comments: int


@dataclass(frozen=True, slots=True)
class PromoPage:
    promos: list[SeenPromo]
    total: int


_reader = sa.bindparam("reader_id", type_=sa.Uuid)
# All of a user's claims of a stock start with the same text, and the index has them side by side.
_first_key = sa.bindparam("first_key", type_=sa.Text)
_last_key = sa.bindparam("last_key", type_=sa.Text)

# It is asked for in the index's own order. Where most redemptions are of one hot promo, PostgreSQL
# would otherwise expect to meet one soon wherever it starts.
_first_claim = (
    sa.select(Redemption.claim_key)
    .where(
        Redemption.stock_id == Promo.stock_id,
        Redemption.claim_key >= _first_key,
        Redemption.claim_key < _last_key,
    )
    .order_by(Redemption.stock_id, Redemption.claim_key)
    .limit(1)
    .scalar_subquery()
)

_SELECT = (
    sa.select(
        Promo.id,
        Promo.company_id,
        Promo.description,
        Promo.image_url,
        Promo.active_from,
        Promo.active_until,
        Account.name.label("company_name"),
        Stock.claimed,
        Stock.capacity,
        PromoCounter.likes,
        PromoCounter.comments,
        sa.exists()
        .where(PromoLike.promo_id == Promo.id, PromoLike.account_id == _reader)
        .label("is_liked"),
        _first_claim.is_not(None).label("is_activated"),
    )
    .join(Account, Account.id == Promo.company_id)
    .join(Stock, Stock.id == Promo.stock_id)
    .join(PromoCounter, PromoCounter.promo_id == Promo.id)
)
_SELECT_ONE = Prepared(
    "promo_one", _SELECT.where(Promo.id == sa.bindparam("promo_id", type_=sa.Uuid))
)
_SELECT_SOME = Prepared(
    "promo_some",
    lambda on_postgresql: _SELECT.where(
        one_of(Promo.id, "promo_ids", sa.Uuid, on_postgresql=on_postgresql)
    ),
)


def _seen(rows: Rows, today: date) -> list[SeenPromo]:
    """Return these rows of `_SELECT` as promos."""
    return [
        SeenPromo(
            row.id,
            row.company_id,
            row.company_name,
            row.description,
            row.image_url,
            targeting.is_active(row, today),
            row.is_activated,
            row.likes,
            row.is_liked,
            row.comments,
        )
        for row in rows
    ]


def _asked_by(reader_id: UUID) -> dict[str, object]:
    prefix = stock.once_each_user(reader_id)
    # ";" is what comes right after ":".
    return {"reader_id": reader_id, "first_key": f"{prefix}:", "last_key": f"{prefix};"}


def read(reader_id: UUID, promo_id: UUID, *, timezone: ZoneInfo) -> SeenPromo:
    """Return a promo, whatever its targeting.

    Raises: PromoNotFound.
    """
    found = _SELECT_ONE.execute({"promo_id": promo_id, **_asked_by(reader_id)})
    if not found:
        raise PromoNotFound
    return _seen(found, days.today(timezone))[0]


def _read_some(reader_id: UUID, promo_ids: Sequence[UUID], today: date) -> list[SeenPromo]:
    """Return these promos, in this order and as often as they are named."""
    if not promo_ids:
        return []
    rows = _SELECT_SOME.execute({"promo_ids": list(set(promo_ids)), **_asked_by(reader_id)})
    found = {promo.id: promo for promo in _seen(rows, today)}
    return [found[promo_id] for promo_id in promo_ids if promo_id in found]


def read_feed(
    reader: Reader,
    *,
    category: str | None,
    active: bool | None,
    limit: int,
    offset: int,
    timezone: ZoneInfo,
) -> PromoPage:
    """Return a page of the promos whose targeting fits the reader, newest first."""
    today = days.today(timezone)
    days.turn_to(today, timezone.key)
    ids, total = search.find(
        age=reader.age,
        country=reader.country,
        category=category,
        active=active,
        limit=limit,
        offset=offset,
    )
    return PromoPage(_read_some(reader.id, ids, today), total)


def read_history(reader_id: UUID, *, limit: int, offset: int, timezone: ZoneInfo) -> PromoPage:
    """Return a page of what the reader activated, one entry an activation, latest first."""
    mine = sa.and_(Redemption.account_id == reader_id, Redemption.kind == RedemptionKind.PROMO)
    total = db.session.scalar(sa.select(sa.func.count()).select_from(Redemption).where(mine)) or 0
    ids = db.session.scalars(
        sa.select(Promo.id)
        .join(Redemption, Redemption.stock_id == Promo.stock_id)
        .where(mine)
        .order_by(Redemption.created_at.desc(), Redemption.id.desc())
        .limit(limit)
        .offset(offset)
    ).all()
    return PromoPage(_read_some(reader_id, ids, days.today(timezone)), total)
