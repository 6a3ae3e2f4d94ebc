"""What offers and types are called."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa

from ..db.session import db
from ..models import CouponBatch, CreditCoupon, DiscountCoupon, Promo, VoucherType
from ..text import readable
from .figures.measures import Kind
from .statements import Figure

_ID_AND_NAME = {
    Kind.CREDIT: ((CreditCoupon.id, CreditCoupon.name),),
    Kind.PROMO: ((Promo.id, Promo.description),),
    Kind.DISCOUNT: (
        (DiscountCoupon.id, DiscountCoupon.code),
        (CouponBatch.id, CouponBatch.pattern),
    ),
    Kind.VOUCHER: ((VoucherType.id, VoucherType.name),),
}


def names_of(figures: Iterable[Figure]) -> dict[str, str]:
    """Return names by label. What is gone has none, and a website is its own, for people."""
    labels: dict[Kind, dict[UUID, str]] = defaultdict(dict)
    found: dict[str, str] = {}
    for figure in figures:
        if figure.kind == Kind.EMAIL:
            found[figure.label] = readable.host(figure.label)
        elif (row_id := as_id(figure.label)) is not None:
            labels[Kind(figure.kind)][row_id] = figure.label
    looks = [
        sa.select(key.label("id"), name.label("name")).where(key.in_(ids))
        for kind, ids in labels.items()
        for key, name in _ID_AND_NAME[kind]
    ]
    if looks:
        all_labels = {row_id: label for ids in labels.values() for row_id, label in ids.items()}
        found |= {
            all_labels[row_id]: name for row_id, name in db.session.execute(sa.union_all(*looks))
        }
    return found


def as_id(label: str) -> UUID | None:
    """Return the id that a label is, if it is one. SQLite writes ids without dashes."""
    try:
        return UUID(label)
    except ValueError:
        return None
