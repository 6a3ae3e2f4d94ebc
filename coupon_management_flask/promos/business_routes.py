"""`/api/ping` and `/api/business`."""

from typing import Any
from uuid import UUID

from .. import config
from ..web.body import Routes
from ..web.guard import actor, guard
from . import business_service, schemas
from .business_service import Terms
from .errors import PromoErrorSchema

routes: Routes = Routes(
    "promo-business",
    __name__,
    error_schema=PromoErrorSchema(),
    url_prefix="/api",
    description="Companies and their promos",
)

TOTAL = {
    "X-Total-Count": {
        "description": "How many there are, whatever the page.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}


@routes.route("/ping", methods=["GET"])
@routes.response(200, schemas.PingSchema())
def ping() -> dict[str, str]:
    """Is anybody there?"""
    return {"status": "ok"}


@routes.route("/business/promo", methods=["POST"])
@guard(kind="company")
@routes.arguments(schemas.NewPromo())
@routes.response(201, schemas.PromoIdSchema())
def publish(body: dict[str, Any]) -> dict[str, UUID]:
    """Publish a promo"""
    values = {name: body.pop(name, None) for name in ("mode", "promo_common", "promo_unique")}
    return {
        "id": business_service.publish(
            actor().id, Terms(**body), **values, timezone=config.current().promo_timezone
        )
    }


@routes.route("/business/promo", methods=["GET"])
@guard(kind="company")
@routes.arguments(schemas.OwnPromosQuery(), location="query")
@routes.response(200, schemas.CompanyPromoSchema(many=True), headers=TOTAL)
def list_own(query: dict[str, Any]) -> Any:
    """The company's promos"""
    promos, total = business_service.list_own(
        actor().id, **query, timezone=config.current().promo_timezone
    )
    return promos, 200, {"X-Total-Count": str(total)}


@routes.route("/business/promo/<promo_id>", methods=["GET"])
@guard(kind="company")
@routes.response(200, schemas.CompanyPromoSchema())
@routes.refuses(400, 403, 404)
def read(promo_id: UUID) -> dict[str, Any]:
    """One of the company's promos"""
    return business_service.read(actor().id, promo_id, timezone=config.current().promo_timezone)


@routes.route("/business/promo/<promo_id>", methods=["PATCH"])
@guard(kind="company")
@routes.arguments(schemas.PromoChanges())
@routes.response(200, schemas.CompanyPromoSchema())
@routes.refuses(403, 404)
def change(body: dict[str, Any], promo_id: UUID) -> dict[str, Any]:
    """Change a promo's terms"""
    return business_service.change(
        actor().id, promo_id, body, timezone=config.current().promo_timezone
    )


@routes.route("/business/promo/<promo_id>/stat", methods=["GET"])
@guard(kind="company")
@routes.response(200, schemas.StatisticsSchema())
@routes.refuses(400, 403, 404)
def statistics(promo_id: UUID) -> business_service.Statistics:
    """How often it was activated, and from where"""
    return business_service.statistics(actor().id, promo_id)
