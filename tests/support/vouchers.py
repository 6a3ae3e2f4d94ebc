"""Voucher types and vouchers, made as clients make them."""

from itertools import count
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from coupon_management_flask.core import wallet
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import (
    LedgerEntry,
    LimitUse,
    OrderRedemption,
    OrderRedemptionCode,
    Redemption,
    RedemptionTake,
    Stock,
    Voucher,
    VoucherPurchase,
    VoucherType,
    VoucherUsage,
    Wallet,
)
from coupon_management_flask.payments.sales import credit_refunds, delivery

from .people import Person

PATH = "/api/vouchers"
NOBODYS = "019aa6f0-0000-7000-8000-0000000000ff"

_LIMITED = (
    LedgerEntry,
    LimitUse,
    OrderRedemption,
    OrderRedemptionCode,
    Redemption,
    RedemptionTake,
    Stock,
)
_OWN = (Voucher, VoucherPurchase, VoucherType, VoucherUsage, Wallet)
_numbers = count(1)


def read_voucher_books() -> dict[str, list[Any]]:
    """Read everything that a refusal must leave as it was."""
    return {
        model.__tablename__: [
            tuple(row)
            for row in db.session.execute(
                sa.select(model.__table__).order_by(*model.__table__.primary_key)
            )
        ]
        for model in (*_LIMITED, *_OWN)
    }


def type_body(**terms: Any) -> dict[str, Any]:
    return {"name": f"type {next(_numbers)}", "price": 10, "service_type": "exam_results", **terms}


def sell(admin: Person, **terms: Any) -> Any:
    """Create a voucher type, by default for 10.00, one use and a year."""
    answer = admin.post(f"{PATH}/types/", json=type_body(**terms))
    assert answer.status_code == 201, answer.text
    return answer.json


def buy(person: Any, kind: Any, **more: Any) -> Any:
    headers = more.pop("headers", {})
    return person.post(
        f"{PATH}/purchase/", json={"voucher_type_id": kind["id"], **more}, headers=headers
    )


def bought(person: Person, kind: Any, **more: Any) -> Any:
    """Buy vouchers, which must succeed, and return them, oldest first."""
    answer = buy(person, kind, **more)
    assert answer.status_code == 201, answer.text
    return answer.json["vouchers"]


def redeem(person: Person, voucher: Any, **more: Any) -> Any:
    headers = more.pop("headers", {})
    body = {
        "code": voucher["code"],
        "service_type": voucher["voucher_type"]["service_type"],
        **more,
    }
    return person.post(f"{PATH}/redeem/", json=body, headers=headers)


def fields(answer: Any) -> dict[str, Any]:
    """Return what is wrong with which field of a validation error."""
    assert answer.status_code == 400, answer.text
    body = dict(answer.json)
    assert body.pop("error_code") == "validation_error"
    sentence = body.pop("message")
    assert all(text in sentence for messages in body.values() for text in messages)
    assert all(isinstance(messages, list) and messages for messages in body.values())
    return body


def take_back(purchase_id: UUID) -> None:
    """Refund a purchase with credit, even one that was used, which no call would do."""
    purchase = VoucherPurchase.id == purchase_id
    with transaction():
        buyer_id, credits = db.session.execute(
            sa.select(VoucherPurchase.account_id, VoucherPurchase.credits).where(purchase)
        ).one()
        wallet.credit(buyer_id, credits, reason=credit_refunds.LEDGER_REASON, reference=purchase_id)
        delivery.cancel(purchase_id)
