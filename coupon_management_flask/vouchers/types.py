"""Voucher types: what is on sale."""

from decimal import Decimal
from typing import TypedDict, Unpack
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, errors, money
from ..db.dialects import upsert
from ..db.failures import retried
from ..db.pages import Page, paginate
from ..db.session import db, transaction
from ..identity import change_log
from ..models import VoucherType, new_id
from .errors import VoucherTypeNotFound

_TABLE = VoucherType.__tablename__

# Name, price in US dollars, service type. The ids are fixed, so that loading the samples again
# finds them, whatever has become of them since.
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


class TypeTerms(TypedDict):
    """All that a type is made of; the price is in the currency's major unit."""

    name: str
    description: str
    price: Decimal
    currency: str
    service_type: str
    is_active: bool
    validity_days: int
    max_uses: int


class TypeChanges(TypedDict, total=False):
    """Those terms of a type that are to be changed."""

    name: str
    description: str
    price: Decimal
    currency: str
    service_type: str
    is_active: bool
    validity_days: int
    max_uses: int


def list_types(*, page: int, page_size: int) -> Page:
    """Return a page of the active types, the oldest first."""
    found = paginate(
        sa.select(VoucherType).where(VoucherType.is_active).order_by(VoucherType.id),
        page,
        page_size,
    )
    return Page([row[0] for row in found.items], found.total, found.number, found.size)


def create_type(**terms: Unpack[TypeTerms]) -> VoucherType:
    """Put a type on sale.

    Raises: Invalid for a price with more decimals than its currency has.
    """
    made = VoucherType(
        id=new_id(),
        created_at=clock.now(),
        **{**terms, "price": _in_minor(terms["price"], terms["currency"])},
    )
    with transaction():
        db.session.add(made)
        change_log.note(_TABLE, made.id, after=made)
    return made


def _in_minor(price: Decimal, currency: str) -> int:
    if not money.fits(price, currency):
        raise errors.Invalid({"price": [f"{currency} has {money.decimals(currency)} decimals."]})
    return money.to_minor(price, currency)


@retried
def change_type(type_id: UUID, **changes: Unpack[TypeChanges]) -> VoucherType:
    """Change the terms that are named and nothing else.

    Vouchers that are sold keep their uses and their days.

    Raises: VoucherTypeNotFound; Invalid for a price with more decimals than its currency has, also
    where only the currency changes.
    """
    with transaction():
        changed = db.session.get(VoucherType, type_id, with_for_update=True)
        if changed is None:
            raise VoucherTypeNotFound
        before = change_log.facts_of(changed)
        currency = changes.get("currency", changed.currency)
        price = changes.get("price", money.from_minor(changed.price, changed.currency))
        for name, value in {**changes, "price": _in_minor(price, currency)}.items():
            setattr(changed, name, value)
        change_log.note(_TABLE, type_id, before=before, after=changed)
    return changed


def deactivate_type(type_id: UUID) -> None:
    """Take a type off sale; what is sold stays good.

    Raises: VoucherTypeNotFound.
    """
    change_type(type_id, is_active=False)


def create_samples() -> int:
    """Create those of the four sample types that are missing, and return how many those were."""
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
        upsert(VoucherType)
        .values(rows)
        .on_conflict_do_nothing(index_elements=[VoucherType.id])
        .returning(VoucherType.id)
    )
    with transaction():
        return len(db.session.scalars(insert).all())
