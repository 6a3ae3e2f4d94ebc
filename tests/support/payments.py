"""Card payments: a buyer with our API on one side and Stripe on the other."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

import sqlalchemy as sa
from werkzeug.test import TestResponse

from coupon_management_flask.db.session import db
from coupon_management_flask.models import PaymentTransaction, Voucher, VoucherPurchase
from coupon_management_flask.vouchers import types

from .people import Person
from .stripe import Stripe

PATH = "/api/payments"
_numbers = count(1)


def make_voucher_type(**given: Any) -> dict[str, Any]:
    """Create a voucher type that is on sale. Needs an application context."""
    terms = {
        "name": f"Type {next(_numbers)}",
        "description": "",
        "price": Decimal("10.00"),
        "currency": "USD",
        "service_type": "exam_results",
        "is_active": True,
        "validity_days": 365,
        "max_uses": 1,
        **given,
    }
    return {"id": types.create_type(**terms).id}


@dataclass
class Buyer:
    """Somebody who pays by card."""

    person: Person
    stripe: Stripe

    def ask(self, kind: dict[str, Any] | None = None, **body: Any) -> TestResponse:
        headers = body.pop("headers", {})
        body = body if kind is None else {"voucher_type_id": str(kind["id"]), **body}
        return self.person.post(f"{PATH}/create-payment-intent/", json=body, headers=headers)

    def intent(self, kind: dict[str, Any] | None = None, **body: Any) -> Any:
        answer = self.ask(kind, **body)
        assert answer.status_code == 201, answer.text
        return answer.json

    def confirm(self, intent: Any, **options: Any) -> TestResponse:
        return self.person.post(
            f"{PATH}/confirm-payment/",
            json={"payment_intent_id": intent["payment_intent_id"]},
            **options,
        )

    def hear(self, event: dict[str, Any], **signed: Any) -> TestResponse:
        """Let Stripe send a webhook."""
        return self.person.client.post(f"{PATH}/webhook/", **self.stripe.webhook(event, **signed))

    def bought(self, kind: dict[str, Any] | None = None, **body: Any) -> Any:
        """Make and confirm a payment."""
        intent = self.intent(kind, **body)
        self.stripe.pay(intent["payment_intent_id"])
        answer = self.confirm(intent)
        assert answer.status_code == 200, answer.text
        return {**intent, **answer.json}

    def refund(self, intent: Any, **options: Any) -> TestResponse:
        return self.person.post(
            f"{PATH}/refund/",
            json={"transaction_id": intent["transaction_id"], "reason": "changed my mind"},
            **options,
        )

    def status(self, intent: Any) -> str:
        answer = self.person.get(f"{PATH}/transaction/{intent['transaction_id']}/")
        assert answer.status_code == 200, answer.text
        return str(answer.json["status"])

    def vouchers(self) -> list[Any]:
        return list(self.person.get("/api/vouchers/my-vouchers/").json["results"])

    def credit(self) -> int:
        return int(self.person.get("/api/auth/profile/").json["credit"])

    def redeem(self, voucher: Any) -> TestResponse:
        body = {"code": voucher["code"], "service_type": voucher["voucher_type"]["service_type"]}
        return self.person.post("/api/vouchers/redeem/", json=body)


def transactions() -> list[Any]:
    """Read the rows from the database."""
    return list(
        db.session.execute(sa.select(PaymentTransaction.__table__).order_by(PaymentTransaction.id))
    )


def transaction_row(intent: Any) -> Any:
    return next(row for row in transactions() if str(row.id) == intent["transaction_id"])


def goods() -> tuple[int, int]:
    """Count the purchases and the vouchers."""
    number = sa.func.count()
    return int(db.session.scalar(sa.select(number).select_from(VoucherPurchase)) or 0), int(
        db.session.scalar(sa.select(number).select_from(Voucher)) or 0
    )
