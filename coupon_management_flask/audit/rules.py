"""All rules of the books, and the one runner that checks them.

The statements are built once, when their modules are imported.
"""

from collections.abc import Iterator
from functools import cache

import sqlalchemy as sa

from ..db.session import db
from . import analytics, discount_coupons, payments, promos, stock, typed, vouchers, wallet

RULES = (
    *stock.RULES,
    *wallet.RULES,
    *discount_coupons.RULES,
    *vouchers.RULES,
    *payments.RULES,
    *promos.RULES,
    *analytics.RULES,
)


def discrepancies() -> Iterator[str]:
    """Give a sentence for each thing that does not add up.

    It reads only. One statement says which rules may be broken. Each of those is then asked what
    is wrong, if anything still is.
    """
    found = db.session.execute(_how_much_is_wrong(db.engine.dialect.name)).one()
    for rule, number in zip(RULES, found, strict=True):
        if number:
            yield from rule.sentences()


def notes() -> Iterator[str]:
    """Give a sentence for each thing that adds up and that somebody should know all the same.

    These are what customers owe, discounts that were given beyond a limit, and names and codes that
    are found by their earlier text alone.
    """
    for rule in payments.NOTES:
        yield from rule.sentences()
    yield from typed.notes()


@cache
def _how_much_is_wrong(_dialect: str) -> sa.TextClause:
    """Return the statement with a column for each rule: how much its suspicion finds.

    It counts, because EXISTS would have PostgreSQL plan for the first row. Mostly there is none,
    and all are read.

    It is kept as text. Its objects are so many that SQLAlchemy takes longer to recognise the
    statement than the databases take to answer it.
    """
    statement = sa.select(
        *(
            sa.select(sa.func.count())
            .select_from(rule.suspicion.subquery())
            .scalar_subquery()
            .label(f"rule_{number}")
            for number, rule in enumerate(RULES)
        )
    )
    compiled = statement.compile(db.engine, compile_kwargs={"literal_binds": True})
    return sa.text(str(compiled))
