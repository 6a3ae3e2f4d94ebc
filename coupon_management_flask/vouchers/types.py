"""Use cases of voucher types: what is sold."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, errors, money
from ..db.dialects import rows_changed, upsert
from ..db.failures import retried
from ..db.session import AnyRow, db, transaction
from ..models import VoucherType, new_id
from ..web.pagination import Page, paginate
from .errors import VoucherTypeNotFound
from .purchases import type_shown

_types: Any = VoucherType.__table__

# Name, price in US dollars, service type. Their ids are the same everywhere, so that loading them again finds them, whatever became of them since.
_SAMPLES = [
    (UUID("019aa6f0-0000-7000-8000-000000000001"), "Exam Results Checking", 10, "exam_results"),
    (UUID("019aa6f0-0000-7000-8000-000000000002"), "School Application", 25, "school_application"),
    (
        UUID("019aa6f0-0000-7000-8000-000000000003"),
        "Placement Application",
        35,
        "placement_application",
    ),
    (
        UUID("019aa6f0-0000-7000-8000-000000000004"),
        "Document Verification",
        15,
        "document_verification",
    ),
]


def list_types(*, page: int, page_size: int) -> Page:
    """The active types, by creation."""
    found = paginate(
        sa.select(_types).where(_types.c.is_active).order_by(_types.c.id), page, page_size
    )
    return Page([_shown(row) for row in found.items], found.total, found.number, found.size)


def _shown(row: AnyRow) -> dict[str, Any]:
    return type_shown(row._asdict())


def create_type(*, price: Decimal, currency: str, **columns: Any) -> dict[str, Any]:
    """Raises Invalid for a price that its currency can't have."""
    row = {
        "id": new_id(),
        "price": _in_minor(price, currency),
        "currency": currency,
        "created_at": clock.now(),
        **columns,
    }
    with transaction():
        return _shown(
            db.session.execute(sa.insert(_types).values(**row).returning(*_types.c)).one()
        )


def _in_minor(price: Decimal, currency: str) -> int:
    if not money.fits(price, currency):
        raise errors.Invalid({"price": [f"{currency} has {money.decimals(currency)} decimals."]})
    return money.to_minor(price, currency)


@retried
def change_type(type_id: UUID, changes: dict[str, Any]) -> dict[str, Any]:
    """Changes what is named and nothing else. Vouchers that are sold keep their uses and their days.

    Raises VoucherTypeNotFound, Invalid for a price that its currency can't have.
    """
    with transaction():
        before = db.session.execute(
            sa.select(_types).where(_types.c.id == type_id).with_for_update()
        ).one_or_none()
        if before is None:
            raise VoucherTypeNotFound
        currency = changes.get("currency", before.currency)
        price = changes.get("price", money.from_minor(before.price, before.currency))
        columns = {**changes, "currency": currency, "price": _in_minor(price, currency)}
        return _shown(
            db.session.execute(
                sa.update(_types)
                .where(_types.c.id == type_id)
                .values(**columns)
                .returning(*_types.c)
            ).one()
        )


def deactivate_type(type_id: UUID) -> None:
    """Nobody can buy it from now on; what is sold stays good. Raises VoucherTypeNotFound."""
    with transaction():
        if not rows_changed(
            db.session.execute(
                sa.update(_types).where(_types.c.id == type_id).values(is_active=False)
            )
        ):
            raise VoucherTypeNotFound


def create_samples() -> int:
    """Creates those of the four sample types that are not there, and says how many."""
    alike = {
        "description": "",
        "currency": "USD",
        "is_active": True,
        "validity_days": 365,
        "max_uses": 1,
        "created_at": clock.now(),
    }
    rows = [
        {
            **alike,
            "id": sample_id,
            "name": name,
            "price": money.to_minor(Decimal(price), "USD"),
            "service_type": service_type,
        }
        for sample_id, name, price, service_type in _SAMPLES
    ]
    insert = (
        upsert(_types)
        .values(rows)
        .on_conflict_do_nothing(index_elements=[_types.c.id])
        .returning(_types.c.id)
    )
    with transaction():
        return len(db.session.execute(insert).all())
