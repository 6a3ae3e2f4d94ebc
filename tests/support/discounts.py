"""A shop that speaks the discount contract, as its server does: with an API key."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from coupon_management_flask.identity import accounts

from .speaker import Speaker

PATH = "/api/v1/coupons"
_numbers = count(1)


@dataclass
class Shop(Speaker):
    """A server with an API key."""

    client: FlaskClient
    key: str

    def credentials(self) -> dict[str, str]:
        return {"X-API-Key": self.key}

    def new(self, **terms: Any) -> Any:
        """A coupon of 10 % off everything, unless told otherwise."""
        answer = self.post(PATH, json=coupon_body(**terms))
        assert answer.status_code == 201, answer.text
        return answer.json

    def use(self, coupon: Any) -> Any:
        return self.get(f"{PATH}/{coupon['id']}").json["usageCount"]

    def redeem(
        self, *codes: str, order: str | None = None, total: Any = 100, **more: Any
    ) -> TestResponse:
        """One code as `code`, several as `codes`; each time another order, unless named."""
        asked: dict[str, Any] = {"code": codes[0]} if len(codes) == 1 else {"codes": list(codes)}
        order = order if order is not None else f"order-{next(_numbers)}"
        headers = more.pop("headers", {})
        return self.post(
            f"{PATH}/redeem",
            json={**asked, "orderId": order, "cartTotal": total, **more},
            headers=headers,
        )

    def roll_back(self, redemption_id: str, **more: Any) -> TestResponse:
        return self.post(
            f"/api/v1/redemptions/{redemption_id}/rollback", json={"reason": "cancelled", **more}
        )


def new_shop(client: FlaskClient, *permissions: str, service: str | None = None) -> Shop:
    """A new service with these permissions, all unless named."""
    chosen = list(permissions) or ["getCoupons", "manageCoupons"]
    return Shop(
        client,
        accounts.create_api_key(service or f"shop-{next(_numbers)}", chosen, timedelta(days=3650)),
    )


def coupon_body(**terms: Any) -> dict[str, Any]:
    return {
        "code": f"CODE-{next(_numbers)}",
        "type": "percentage",
        "discount": 10,
        "couponFor": "product",
        **terms,
    }


def items(*lines: tuple[Any, ...]) -> dict[str, Any]:
    """A cart of lines (product, quantity, unit price, category): `items` and the `cartTotal` that they make. Prices as whole cents."""
    made = []
    for product, quantity, cents, *category in lines:
        made.append(
            {
                "productId": product,
                "quantity": quantity,
                "unitPrice": f"{cents // 100}.{cents % 100:02}",
                **({"category": category[0]} if category else {}),
            }
        )
    total = sum(quantity * cents for _, quantity, cents, *_ in lines)
    return {"items": made, "cartTotal": f"{total // 100}.{total % 100:02}"}
