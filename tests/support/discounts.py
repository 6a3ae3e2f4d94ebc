"""A shop that speaks the discount contract, as its server does: with an API key."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from coupon_management_flask.identity import api_keys

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
        """Create a coupon, by default for 10 % off everything."""
        answer = self.post(PATH, json=coupon_body(**terms))
        assert answer.status_code == 201, answer.text
        return answer.json

    def use(self, coupon: Any) -> Any:
        return self.get(f"{PATH}/{coupon['id']}").json["usageCount"]

    def redeem(
        self, *codes: str, order: str | None = None, total: Any = 100, **more: Any
    ) -> TestResponse:
        """Redeem one code as `code` or several as `codes`, for a new order unless one is named."""
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
    """Create a service with these permissions, by default with all of them."""
    chosen = list(permissions) or ["getCoupons", "manageCoupons"]
    return Shop(
        client,
        api_keys.create_api_key(service or f"shop-{next(_numbers)}", chosen, timedelta(days=3650)),
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
    """Make a cart of lines (product, quantity, unit price in cents, category).

    Returns its `items` and the `cartTotal` that they add up to.
    """
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
