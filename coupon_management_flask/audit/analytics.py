"""A day's figures are what they sum up."""

from datetime import date

import sqlalchemy as sa

from ..analytics.figures.measures import COLUMNS, KEY, Kind, Measure
from ..analytics.figures.streams import STREAMS
from ..models import DailyFigure, RollUpMark
from .rule import Rule, rule


def _figures_are_what_happened() -> Rule:
    """A day's figures are the sum of the events up to the marks.

    E-mail coupons count as discounts here: once a shop deletes one, nobody can tell. The statement
    takes PostgreSQL long to plan, and is not asked before anything is summed up.
    """
    zero = sa.literal(0, sa.BigInteger)
    figure = DailyFigure.__table__.c
    kept = sa.select(
        *(figure[name] for name in COLUMNS), zero.label("found"), zero.label("found_amount")
    )
    facts = sa.union_all(
        *(fact for stream in STREAMS for fact in stream.facts(stream.summed_up()))
    ).subquery()
    found = sa.select(*(facts.c[name] for name in KEY), zero, zero, facts.c.number, facts.c.amount)
    both = sa.union_all(kept, found).subquery().c
    is_email = sa.and_(both.kind == Kind.EMAIL, both.measure != Measure.ISSUED)
    kind = sa.case((is_email, sa.literal(Kind.DISCOUNT, sa.Text)), else_=both.kind)
    by = (both.measure, both.day, kind, both.currency)
    number, amount, found_number, found_amount = (
        sa.cast(sa.func.sum(column), sa.BigInteger)
        for column in (both.number, both.amount, both.found, both.found_amount)
    )
    is_comparable = sa.and_(
        sa.or_(both.measure != Measure.CONVERTED, both.kind == Kind.VOUCHER),
        both.measure.not_in((Measure.ENDING, Measure.SWITCHED_OFF)),
    )
    return rule(
        sa.select(*by, number, amount, found_number, found_amount)
        .where(is_comparable)
        .group_by(*by)
        .having(sa.or_(number != found_number, amount != found_amount)),
        _figure_is_wrong,
        suspicion=sa.union_all(sa.select(RollUpMark.stream), sa.select(DailyFigure.measure)).limit(
            1
        ),
    )


def _figure_is_wrong(
    measure: str,
    day: date,
    kind: str,
    currency: str,
    number: int,
    amount: int,
    found: int,
    found_amount: int,
) -> str:
    of = " ".join(word for word in (measure, kind, currency) if word)
    return (
        f"figures of {day}, {of}: they say {number} and {amount},"
        f" what happened says {found} and {found_amount}"
    )


RULES = (_figures_are_what_happened(),)
