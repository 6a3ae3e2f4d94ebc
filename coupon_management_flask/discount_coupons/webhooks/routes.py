"""`/api/v1/webhooks`."""

from typing import Any
from uuid import UUID

from ... import config
from ...db.pages import Page
from ...models import WebhookDelivery
from ...web.body import NO_STORE, Routes
from ...web.guard import guard, no_store
from ...web.rates import limit_webhook_sends
from ..described import WEBHOOKS
from ..errors import DiscountErrorSchema
from ..schemas.fields import PageQuery
from . import schemas, service

routes: Routes = Routes(
    "webhooks",
    __name__,
    error_schema=DiscountErrorSchema(),
    described=WEBHOOKS,
    url_prefix="/api/v1/webhooks",
    description="Who is told what happens to discount coupons",
)


@routes.route("", methods=["POST"])
@no_store
@guard(permission="manageCoupons", api_key=True)
@routes.arguments(schemas.NewWebhook())
@routes.response(201, schemas.WebhookCreatedSchema(), headers=NO_STORE)
def create_webhook(body: dict[str, Any]) -> service.Subscriber:
    """Make a webhook that is told of events; the secret that signs them is shown this once"""
    return service.create(**body, allow_private=config.current().webhooks_allow_private)


@routes.route("", methods=["GET"])
@guard(permission="manageCoupons", api_key=True)
@routes.arguments(PageQuery(), location="query")
@routes.response(200, schemas.WebhooksPage())
def list_webhooks(query: dict[str, int]) -> Page:
    """The webhooks, oldest first"""
    return service.list_webhooks(**query)


@routes.route("/<webhook_id>", methods=["GET"])
@guard(permission="manageCoupons", api_key=True)
@routes.response(200, schemas.WebhookSchema())
@routes.refuses(400, 404)
def read_webhook(webhook_id: UUID) -> service.Subscriber:
    """A webhook, without its secret"""
    return service.read(webhook_id)


@routes.route("/<webhook_id>", methods=["DELETE"])
@guard(permission="manageCoupons", api_key=True)
@routes.response(204)
@routes.refuses(404)
def delete_webhook(webhook_id: UUID) -> None:
    """Delete a webhook; what was not delivered to it yet never is"""
    service.delete(webhook_id)


@routes.route("/<webhook_id>/deliveries", methods=["GET"])
@guard(permission="manageCoupons", api_key=True)
@routes.arguments(PageQuery(), location="query")
@routes.response(200, schemas.DeliveriesPage())
@routes.refuses(404)
def list_deliveries(query: dict[str, int], webhook_id: UUID) -> Page:
    """The attempts to deliver something to a webhook, latest first"""
    return service.list_deliveries(webhook_id, **query)


@routes.route("/<webhook_id>/deliveries/<delivery_id>/resend", methods=["POST"])
@guard(permission="manageCoupons", api_key=True)
@limit_webhook_sends
@routes.response(202, schemas.DeliverySchema())
@routes.refuses(404)
def resend_delivery(webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """Send a delivery's message once more, under the same id"""
    return service.resend(webhook_id, delivery_id)
