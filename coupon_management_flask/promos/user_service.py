"""Use cases of users: find promos, like, discuss and activate them."""

from datetime import date
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ..core import clock, errors, stock
from ..core.claims import claim_or_explain
from ..db.dialects import one_of, rows_changed, upsert
from ..db.failures import retried
from ..db.session import AnyRow, db, transaction
from ..db.statements import Prepared
from ..models import (
    Account,
    Promo,
    PromoComment,
    PromoCounter,
    PromoCountryCount,
    PromoLike,
    PromoValue,
    Redemption,
    Stock,
    new_id,
)
from . import targeting
from .antifraud.verdicts import NOT_TOO_MANY, ONE_AT_A_TIME, Antifraud
from .errors import (
    AntifraudRefused,
    CommentNotFound,
    NotYourComment,
    PromoInactive,
    PromoNotFound,
    PromoNotTargeted,
)
from .feed import index

KIND = "promo"

_promos: Any = Promo.__table__
_counters: Any = PromoCounter.__table__
_likes: Any = PromoLike.__table__
_comments: Any = PromoComment.__table__
_accounts: Any = Account.__table__
_stocks: Any = Stock.__table__
_redemptions: Any = Redemption.__table__
_values: Any = PromoValue.__table__
_countries: Any = PromoCountryCount.__table__


class User(Protocol):
    """Whoever looks or activates: what targeting goes by, and the name that antifraud knows (an e-mail address, or else a user name)."""

    @property
    def id(self) -> UUID: ...
    @property
    def age(self) -> int | None: ...
    @property
    def country(self) -> str | None: ...
    @property
    def email(self) -> str | None: ...
    @property
    def username(self) -> str | None: ...


_reader = sa.bindparam("reader_id", type_=sa.Uuid)
# All of a user's claims of a stock start with the same text, and the index has them side by side.
_first_key = sa.bindparam("first_key", type_=sa.Text)
_last_key = sa.bindparam("last_key", type_=sa.Text)

# Asked for in the index's own order: where most redemptions are of one hot promo, PostgreSQL would otherwise expect to meet one soon wherever it starts.
_first_claim = (
    sa.select(_redemptions.c.claim_key)
    .where(
        _redemptions.c.stock_id == _promos.c.stock_id,
        _redemptions.c.claim_key >= _first_key,
        _redemptions.c.claim_key < _last_key,
    )
    .order_by(_redemptions.c.stock_id, _redemptions.c.claim_key)
    .limit(1)
    .scalar_subquery()
)

_SELECT = (
    sa.select(
        _promos.c.id,
        _promos.c.company_id,
        _promos.c.description,
        _promos.c.image_url,
        _promos.c.active_from,
        _promos.c.active_until,
        _accounts.c.name.label("company_name"),
        _stocks.c.claimed,
        _stocks.c.capacity,
        _counters.c.likes,
        _counters.c.comments,
        sa.exists()
        .where(_likes.c.promo_id == _promos.c.id, _likes.c.account_id == _reader)
        .label("is_liked"),
        _first_claim.is_not(None).label("is_activated"),
    )
    .join(_accounts, _accounts.c.id == _promos.c.company_id)
    .join(_stocks, _stocks.c.id == _promos.c.stock_id)
    .join(_counters, _counters.c.promo_id == _promos.c.id)
)
_SELECT_ONE = Prepared(
    "promo_one", _SELECT.where(_promos.c.id == sa.bindparam("promo_id", type_=sa.Uuid))
)
_SELECT_SOME = Prepared(
    "promo_some",
    lambda on_postgresql: _SELECT.where(
        one_of(_promos.c.id, "promo_ids", sa.Uuid, on_postgresql=on_postgresql)
    ),
)


def _reads(reader_id: UUID) -> dict[str, Any]:
    prefix = stock.once_each_user(reader_id)
    # ";" is what comes right after ":".
    return {"reader_id": reader_id, "first_key": f"{prefix}:", "last_key": f"{prefix};"}


def read(reader_id: UUID, promo_id: UUID, *, timezone: ZoneInfo) -> dict[str, Any]:
    """A promo, whatever its targeting. Raises PromoNotFound."""
    promo = _SELECT_ONE.execute({"promo_id": promo_id, **_reads(reader_id)}).one_or_none()
    if promo is None:
        raise PromoNotFound
    return _shown(promo, index.today(timezone))


def _shown(promo: Any, today: date) -> dict[str, Any]:
    return {**promo._asdict(), "active": targeting.is_active(promo, today)}


def _read_some(reader_id: UUID, promo_ids: list[UUID], today: date) -> list[dict[str, Any]]:
    """These promos, in this order and as often as they are named."""
    if not promo_ids:
        return []
    found = {
        promo.id: _shown(promo, today)
        for promo in _SELECT_SOME.execute({"promo_ids": list(set(promo_ids)), **_reads(reader_id)})
    }
    return [found[promo_id] for promo_id in promo_ids if promo_id in found]


def read_feed(
    reader: User,
    *,
    category: str | None,
    active: bool | None,
    limit: int,
    offset: int,
    timezone: ZoneInfo,
) -> tuple[list[dict[str, Any]], int]:
    """A page of the promos whose targeting fits the reader, newest first, and how many there are in all."""
    today = index.today(timezone)
    index.turn_to(today, timezone.key)
    ids, total = index.find(
        age=reader.age,
        country=reader.country,
        category=category,
        active=active,
        limit=limit,
        offset=offset,
    )
    return _read_some(reader.id, ids, today), total


def read_history(
    reader_id: UUID, *, limit: int, offset: int, timezone: ZoneInfo
) -> tuple[list[dict[str, Any]], int]:
    """A page of what the reader activated, one entry an activation, latest first, and how many there are in all."""
    mine = sa.and_(Redemption.account_id == reader_id, Redemption.kind == KIND)
    total = db.session.scalar(sa.select(sa.func.count()).select_from(Redemption).where(mine)) or 0
    ids = db.session.scalars(
        sa.select(_promos.c.id)
        .join(Redemption, Redemption.stock_id == _promos.c.stock_id)
        .where(mine)
        .order_by(Redemption.created_at.desc(), Redemption.id.desc())
        .limit(limit)
        .offset(offset)
    ).all()
    return _read_some(reader_id, list(ids), index.today(timezone)), total


def like(account_id: UUID, promo_id: UUID) -> None:
    """Likes it; a user counts once however often. Raises PromoNotFound."""
    _check_exists(promo_id)
    with transaction():
        liked = db.session.execute(
            upsert(_likes).values(promo_id=promo_id, account_id=account_id).on_conflict_do_nothing()
        )
        if rows_changed(liked):
            _count(promo_id, likes=1)


def unlike(account_id: UUID, promo_id: UUID) -> None:
    """Takes a like back, if there is one. Raises PromoNotFound."""
    _check_exists(promo_id)
    with transaction():
        unliked = db.session.execute(
            sa.delete(_likes).where(
                _likes.c.promo_id == promo_id, _likes.c.account_id == account_id
            )
        )
        if rows_changed(unliked):
            _count(promo_id, likes=-1)


def _count(promo_id: UUID, likes: int = 0, comments: int = 0) -> None:
    db.session.execute(
        sa.update(_counters)
        .where(_counters.c.promo_id == promo_id)
        .values(likes=_counters.c.likes + likes, comments=_counters.c.comments + comments)
    )


def _check_exists(promo_id: UUID) -> None:
    if db.session.scalar(sa.select(_promos.c.id).where(_promos.c.id == promo_id)) is None:
        raise PromoNotFound


_SELECT_COMMENTS = sa.select(
    _comments.c.id,
    _comments.c.text,
    _comments.c.created_at,
    _comments.c.account_id,
    _accounts.c.name,
    _accounts.c.surname,
    _accounts.c.avatar_url,
).join(_accounts, _accounts.c.id == _comments.c.account_id)


def comment(account_id: UUID, promo_id: UUID, text: str) -> AnyRow:
    """A new comment on a promo. Raises PromoNotFound."""
    _check_exists(promo_id)
    comment_id = new_id()
    with transaction():
        db.session.execute(
            sa.insert(_comments).values(
                id=comment_id,
                promo_id=promo_id,
                account_id=account_id,
                text=text,
                created_at=clock.now(),
            )
        )
        _count(promo_id, comments=1)
        return read_comment(promo_id, comment_id)


def read_comment(promo_id: UUID, comment_id: UUID) -> AnyRow:
    """Raises CommentNotFound, for a comment on another promo too, and PromoNotFound."""
    found = db.session.execute(
        _SELECT_COMMENTS.where(_comments.c.id == comment_id, _comments.c.promo_id == promo_id)
    ).one_or_none()
    if found is None:
        _check_exists(promo_id)
        raise CommentNotFound
    return found


def list_comments(promo_id: UUID, *, limit: int, offset: int) -> tuple[list[AnyRow], int]:
    """A page of a promo's comments, newest first, and how many there are in all. Raises PromoNotFound."""
    total = db.session.scalar(
        sa.select(_counters.c.comments).where(_counters.c.promo_id == promo_id)
    )
    if total is None:
        raise PromoNotFound
    page = _SELECT_COMMENTS.where(_comments.c.promo_id == promo_id).order_by(
        _comments.c.created_at.desc(), _comments.c.id.desc()
    )
    return list(db.session.execute(page.limit(limit).offset(offset))), total


def edit_comment(account_id: UUID, promo_id: UUID, comment_id: UUID, text: str) -> AnyRow:
    """Changes one's own comment, not its date nor its place. Raises PromoNotFound, CommentNotFound, NotYourComment."""
    _check_own(account_id, promo_id, comment_id)
    with transaction():
        db.session.execute(
            sa.update(_comments).where(_comments.c.id == comment_id).values(text=text)
        )
        return read_comment(promo_id, comment_id)


def delete_comment(account_id: UUID, promo_id: UUID, comment_id: UUID) -> None:
    """Raises PromoNotFound, CommentNotFound, NotYourComment."""
    _check_own(account_id, promo_id, comment_id)
    with transaction():
        deleted = db.session.execute(sa.delete(_comments).where(_comments.c.id == comment_id))
        if not rows_changed(deleted):
            raise CommentNotFound
        _count(promo_id, comments=-1)


def _check_own(account_id: UUID, promo_id: UUID, comment_id: UUID) -> None:
    if read_comment(promo_id, comment_id).account_id != account_id:
        raise NotYourComment


# --- Activation


def _count_the_country(taken: Any) -> Any:
    country = stock.given("country", sa.Text)
    counted = (
        sa.select(stock.given("promo_id", sa.Uuid), country, sa.literal(1, sa.BigInteger))
        .select_from(taken)
        .where(country.is_not(None))
    )
    return (
        upsert(_countries)
        .from_select(["promo_id", "country", "activations"], counted)
        .on_conflict_do_update(
            index_elements=["promo_id", "country"],
            set_={"activations": _countries.c.activations + 1},
        )
    )


def _hand_out_an_entry(taken: Any) -> Any:
    """The n-th claim gets the n-th entry: claims of one stock happen one after another, so nobody else has the same n."""
    return (
        sa.update(_values)
        .where(
            _values.c.promo_id == stock.given("promo_id", sa.Uuid),
            _values.c.position == taken.c.claimed - 1,
            _values.c.redemption_id.is_(None),
        )
        .values(redemption_id=stock.given("redemption_id", sa.Uuid))
        .returning(_values.c.value)
    )


# The terms must be those that were looked at: who changes them holds the stock and raises the version.
_UNCHANGED = sa.exists().where(
    _promos.c.id == stock.given("promo_id", sa.Uuid),
    _promos.c.version == stock.given("version", sa.Integer),
)
_RIDERS = {"COMMON": [_count_the_country], "UNIQUE": [_count_the_country, _hand_out_an_entry]}


def _claiming(mode: str, *, is_checked: bool, is_last: bool) -> stock.Claiming:
    conditions = [
        _UNCHANGED,
        *([NOT_TOO_MANY] if is_checked else []),
        *([] if is_last else [stock.leaves_some()]),
    ]
    name = "_".join(
        [
            "promo",
            mode.lower(),
            *(["checked"] if is_checked else []),
            *(["last"] if is_last else []),
        ]
    )
    return stock.Claiming(
        KIND,
        name,
        only_if=conditions,
        riders=_RIDERS[mode],
        after=ONE_AT_A_TIME if is_checked else None,
    )


_CLAIMING = {
    (mode, is_checked, is_last): _claiming(mode, is_checked=is_checked, is_last=is_last)
    for mode in _RIDERS
    for is_checked in (False, True)
    for is_last in (False, True)
}

_TERMS = Prepared(
    "promo_terms",
    sa.select(
        *(
            _promos.c[name]
            for name in (
                "id",
                "mode",
                "promo_common",
                "stock_id",
                "version",
                "active_from",
                "active_until",
            )
        ),
        *(_promos.c[name] for name in ("age_from", "age_until", "country_key")),
        _stocks.c.claimed,
        _stocks.c.capacity,
    )
    .join(_stocks, _stocks.c.id == _promos.c.stock_id)
    .where(_promos.c.id == sa.bindparam("promo_id", type_=sa.Uuid)),
)


def activate(reader: User, promo_id: UUID, *, antifraud: Antifraud, timezone: ZoneInfo) -> str:
    """Takes one activation and gives its value.

    Raises PromoNotFound, PromoInactive, PromoNotTargeted, AntifraudRefused: the first that applies, in this order. The antifraud service is asked
    only where the first three do not, and with no transaction open.
    """
    index.turn_to(index.today(timezone), timezone.key)
    promo = _claimable(reader, promo_id, timezone)
    if not antifraud.allows(reader.id, reader.email or reader.username or "", promo_id):
        raise AntifraudRefused

    def claim(seen: AnyRow) -> str:
        # The antifraud service may have taken seconds, in which the promo may have ended.
        if not targeting.is_open(seen, index.today(timezone)):
            raise PromoInactive
        return _claim(reader, seen, antifraud)

    def explain() -> AnyRow:
        seen = _claimable(reader, promo_id, timezone)
        if not antifraud.admits(reader.id):
            raise AntifraudRefused
        return seen

    return claim_or_explain(claim, promo, explain)


def _claimable(reader: User, promo_id: UUID, timezone: ZoneInfo) -> AnyRow:
    promo: AnyRow | None = _TERMS.execute({"promo_id": promo_id}).one_or_none()
    if promo is None:
        raise PromoNotFound
    if not targeting.is_active(promo, index.today(timezone)):
        raise PromoInactive
    if not targeting.fits(promo, age=reader.age, country=reader.country):
        raise PromoNotTargeted
    return promo


@retried
def _claim(reader: User, promo: AnyRow, antifraud: Antifraud) -> str:
    """Raises Exhausted where nothing is left, the promo has changed meanwhile, or the built-in check does not admit it."""
    try:
        return _claim_a_unit(reader, promo, antifraud, is_last=False)
    except errors.Exhausted:
        # Whoever takes the last one also notes that the promo is not active any more.
        with transaction():
            return _claim_a_unit(reader, promo, antifraud, is_last=True)


def _claim_a_unit(reader: User, promo: AnyRow, antifraud: Antifraud, *, is_last: bool) -> str:
    redemption_id = new_id()
    claimed = _CLAIMING[promo.mode, antifraud.is_built_in, is_last].claim(
        promo.stock_id,
        claim_key=stock.repeatable_key(reader.id, redemption_id),
        account_id=reader.id,
        redemption_id=redemption_id,
        code=promo.promo_common,
        promo_id=promo.id,
        version=promo.version,
        country=None if reader.country is None else reader.country.casefold(),
        **(antifraud.limit() if antifraud.is_built_in else {}),
    )
    value = promo.promo_common if promo.mode == "COMMON" else claimed.returned["value"]
    if value is None:
        raise RuntimeError(
            f"promo {promo.id} has no entry number {claimed.claimed}, or gave it away before"
        )
    if claimed.claimed == claimed.capacity:
        index.set_state(promo.id, is_active=False)
    return str(value)
