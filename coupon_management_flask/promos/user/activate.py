"""A user activates a promo and gets its code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ...core import errors, stock
from ...core.claims import claim_or_explain
from ...db.dialects import upsert
from ...db.failures import retried
from ...db.session import transaction
from ...db.statements import Prepared
from ...models import (
    Promo,
    PromoCountryCount,
    PromoMode,
    PromoValue,
    RedemptionKind,
    Stock,
    new_id,
)
from .. import targeting
from ..antifraud.built_in import NOT_TOO_MANY, ONE_AT_A_TIME
from ..antifraud.check import Antifraud
from ..errors import AntifraudRefused, PromoInactive, PromoNotFound, PromoNotTargeted
from ..feed import days, entries
from .browse import Reader


class User(Reader, Protocol):
    """The user who activates. Antifraud knows it by its e-mail address, or else its user name."""

    @property
    def email(self) -> str | None: ...
    @property
    def username(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class _ActivePromo:
    """The terms of a promo as they were looked at."""

    id: UUID
    mode: PromoMode
    promo_common: str | None
    stock_id: UUID
    version: int
    active_from: date | None
    active_until: date | None
    age_from: int | None
    age_until: int | None
    country_key: str
    claimed: int
    capacity: int


_TERMS = Prepared(
    "promo_terms",
    sa.select(
        Promo.id,
        Promo.mode,
        Promo.promo_common,
        Promo.stock_id,
        Promo.version,
        Promo.active_from,
        Promo.active_until,
        Promo.age_from,
        Promo.age_until,
        Promo.country_key,
        Stock.claimed,
        Stock.capacity,
    )
    .join(Stock, Stock.id == Promo.stock_id)
    .where(Promo.id == sa.bindparam("promo_id", type_=sa.Uuid)),
)


def _count_the_country(taken: sa.FromClause) -> sa.UpdateBase:
    country = stock.given("country", sa.Text)
    counted = (
        sa.select(stock.given("promo_id", sa.Uuid), country, sa.literal(1, sa.BigInteger))
        .select_from(taken)
        .where(country.is_not(None))
    )
    return (
        upsert(PromoCountryCount)
        .from_select(["promo_id", "country", "activations"], counted)
        .on_conflict_do_update(
            index_elements=["promo_id", "country"],
            set_={"activations": PromoCountryCount.activations + 1},
        )
        # The session would otherwise take a claim's parameters for rows to insert in bulk.
        .execution_options(dml_strategy="raw")
    )


def _hand_out_a_value(taken: sa.FromClause) -> sa.UpdateBase:
    """Give the n-th value to the n-th claim.

    Claims of one stock happen one after another, so nobody else has the same n.
    """
    return (
        sa.update(PromoValue)
        .where(
            PromoValue.promo_id == stock.given("promo_id", sa.Uuid),
            PromoValue.position == taken.c.claimed - 1,
            PromoValue.redemption_id.is_(None),
        )
        .values(redemption_id=stock.given("redemption_id", sa.Uuid))
        .returning(PromoValue.value)
        .execution_options(dml_strategy="core_only")
    )


# The terms must be those that were looked at. Whoever changes them holds the stock, and raises the
# version.
_UNCHANGED = sa.exists().where(
    Promo.id == stock.given("promo_id", sa.Uuid),
    Promo.version == stock.given("version", sa.Integer),
)
_RIDERS: dict[PromoMode, Sequence[stock.Rider]] = {
    PromoMode.COMMON: [_count_the_country],
    PromoMode.UNIQUE: [_count_the_country, _hand_out_a_value],
}


def _claiming(mode: PromoMode, *, is_checked: bool, is_last: bool) -> stock.Claiming:
    conditions = [
        _UNCHANGED,
        *([NOT_TOO_MANY] if is_checked else []),
        *([] if is_last else [stock.leaves_some()]),
    ]
    parts = [
        "promo",
        mode.lower(),
        *(["checked"] if is_checked else []),
        *(["last"] if is_last else []),
    ]
    return stock.Claiming(
        RedemptionKind.PROMO,
        "_".join(parts),
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


def activate(user: User, promo_id: UUID, *, antifraud: Antifraud, timezone: ZoneInfo) -> str:
    """Take one activation and return its value.

    The antifraud service is asked only where nothing else refuses, and with no transaction open.

    Raises: PromoNotFound, PromoInactive, PromoNotTargeted or AntifraudRefused, the first that
    applies in this order.
    """
    days.turn_to(days.today(timezone), timezone.key)
    promo = _claimable(user, promo_id, timezone)
    if not antifraud.allows(user.id, user.email or user.username or "", promo_id):
        raise AntifraudRefused

    def claim(seen: _ActivePromo) -> str:
        # The antifraud service may have taken seconds, in which the promo may have ended.
        if not targeting.is_open(seen, days.today(timezone)):
            raise PromoInactive
        return _claim(user, seen, antifraud)

    def explain() -> _ActivePromo:
        seen = _claimable(user, promo_id, timezone)
        if not antifraud.admits(user.id):
            raise AntifraudRefused
        return seen

    return claim_or_explain(claim, promo, explain)


def _claimable(user: User, promo_id: UUID, timezone: ZoneInfo) -> _ActivePromo:
    row = _TERMS.execute({"promo_id": promo_id}).one_or_none()
    if row is None:
        raise PromoNotFound
    promo = _ActivePromo(*row)
    if not targeting.is_active(promo, days.today(timezone)):
        raise PromoInactive
    if not targeting.fits(promo, age=user.age, country=user.country):
        raise PromoNotTargeted
    return promo


@retried
def _claim(user: User, promo: _ActivePromo, antifraud: Antifraud) -> str:
    """Claim a unit of the promo as it was looked at.

    Raises: Exhausted where nothing is left, the promo has changed meanwhile, or the built-in check
    does not admit the user.
    """
    try:
        return _claim_a_unit(user, promo, antifraud, is_last=False)
    except errors.Exhausted:
        # Whoever takes the last unit also notes that the promo is not active any more.
        with transaction():
            return _claim_a_unit(user, promo, antifraud, is_last=True)


def _claim_a_unit(user: User, promo: _ActivePromo, antifraud: Antifraud, *, is_last: bool) -> str:
    redemption_id = new_id()
    claimed = _CLAIMING[promo.mode, antifraud.is_built_in, is_last].claim(
        promo.stock_id,
        claim_key=stock.repeatable_key(user.id, redemption_id),
        account_id=user.id,
        redemption_id=redemption_id,
        code=promo.promo_common,
        promo_id=promo.id,
        version=promo.version,
        country=None if user.country is None else user.country.casefold(),
        **(antifraud.limit() if antifraud.is_built_in else {}),
    )
    value = promo.promo_common if promo.mode == PromoMode.COMMON else claimed.returned["value"]
    if value is None:
        raise RuntimeError(
            f"promo {promo.id} has no entry number {claimed.claimed}, or gave it away before"
        )
    if claimed.claimed == claimed.capacity:
        entries.set_state(promo.id, is_active=False)
    return str(value)
