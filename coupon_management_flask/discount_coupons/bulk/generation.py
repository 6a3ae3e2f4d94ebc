"""Batches of codes that are drawn: as many as were asked for, whatever codes there are already."""

from uuid import UUID

import marshmallow as ma
import sqlalchemy as sa

from ...core import codes, errors
from ...db.session import db, transaction
from ...models import CouponBatch, new_id
from .. import terms as coupon_terms
from ..schemas.coupons import CouponTemplate
from ..schemas.names import invalid
from ..stored import Json
from ..terms import Terms
from . import batches, write
from .batches import Batch

MADE_AT_ONCE = 1_000
# At most one guess in so many may hit.
GUESSES = 1_000_000
# The products, categories and customers that all coupons of a batch list together.
MOST_ENTRIES = 10_000_000
TRIES = 20

_template = CouponTemplate()


def generate(
    account_id: UUID | None, *, count: int, pattern: str, template: Json, currency: str
) -> Batch:
    """Make single-use coupons of a template; more than a thousand are made in the background.

    Shoppers are never shown them.

    Raises: Invalid where the template contradicts itself, or where one guess in a million would
        hit a code of this pattern.
    """
    template, pattern = {"currency": currency, **template}, pattern.upper()
    terms = _terms(template)
    entries = write.entries(terms) * count
    if entries > MOST_ENTRIES:
        problem = (
            f"The coupons of a batch list at most {MOST_ENTRIES} products, categories and "
            "customers, all together."
        )
        raise errors.Invalid({"template": [problem]})
    _check_odds(pattern, count)
    batch_id = new_id()
    with transaction():
        batches.create(batch_id, account_id, size=count, pattern=pattern, template=template)
        if count > MADE_AT_ONCE or entries > batches.MOST_ROWS_AT_ONCE:
            batches.ask_for_more(batch_id, 0)
        else:
            _make(batch_id, pattern, terms, 0, count)
        return batches.read(batch_id)


def _terms(template: Json) -> Terms:
    terms: Terms = _template.load(template)
    if terms.get("max_usage", 1) != 1:
        problem = "Generated codes are used once: leave it out, or say 1."
        raise invalid({"template.max_usage": [problem]})
    return coupon_terms.complete({**terms, "max_usage": 1})


def _check_odds(pattern: str, count: int) -> None:
    # Somebody who guesses may hit a code of any batch with this pattern, so all of them count.
    of_others = sa.select(sa.func.sum(CouponBatch.size)).where(CouponBatch.pattern == pattern)
    codes_of_pattern = count + (db.session.scalar(of_others) or 0)
    needed = 1
    while len(codes.ALPHABET) ** needed <= codes_of_pattern * GUESSES:
        needed += 1
    if pattern.count("#") < needed:
        problem = (
            f"One guess in a million would hit one of {codes_of_pattern} codes: "
            f"at least {needed} # would do."
        )
        raise errors.Invalid({"pattern": [problem]})


def make_part(batch_id: UUID, start: int, *, size: int, pattern: str, template: Json) -> None:
    """Make the codes from `start` on, unless they are there, and ask for those after them.

    A batch fails whose template this server, which may be newer, does not take any more.
    """
    try:
        terms = _terms(template)
    except (ma.ValidationError, errors.Invalid):
        with transaction():
            batches.fail(batch_id)
        return
    end = min(start + write.at_once(terms), size)
    with transaction():
        if _make(batch_id, pattern, terms, start, end) and end < size:
            batches.ask_for_more(batch_id, end)


def _make(batch_id: UUID, pattern: str, terms: Terms, start: int, end: int) -> bool:
    """Make exactly the codes from `start` to `end`. False where somebody else has made them."""
    if not batches.advance(batch_id, start, end):
        return False
    at_once, missing = write.at_once(terms), end - start
    for _ in range(TRIES * (1 + missing // at_once)):
        # Codes that were taken are drawn again.
        missing -= sum(
            write.write(
                [(code, terms) for code in _draw(pattern, min(missing, at_once))],
                is_public=False,
                batch_id=batch_id,
            )
        )
        if not missing:
            return True
    raise errors.Unavailable


def _draw(pattern: str, count: int) -> list[str]:
    width, form = pattern.count("#"), pattern.replace("#", "%s")
    drawn = codes.draw(width * count)
    return [
        form % tuple(drawn[position : position + width])
        for position in range(0, width * count, width)
    ]
