"""`/api/ping` and `/api/business`."""

from typing import Any
from uuid import UUID

from .. import config
from ..models import AccountKind
from ..web.body import Routes
from ..web.guard import actor, guard
from ..web.rates import limit_promos
from . import schemas
from .business import change, own_promos, publish, statistics
from .business.own_promos import ShownPromo
from .business.publish import Publication
from .business.statistics import Statistics
from .business.terms import TermsChanges
from .described import BUSINESS
from .errors import PromoErrorSchema
from .lists import TOTAL, with_total

routes: Routes = Routes(
    "promo-business",
    __name__,
    error_schema=PromoErrorSchema(),
    described=BUSINESS,
    url_prefix="/api",
    description="Companies and their promos",
)


@routes.route("/ping", methods=["GET"])
@routes.response(200, schemas.PingSchema())
def ping() -> dict[str, str]:
    """Is anybody there?"""
    return {"status": "ok"}


@routes.route("/business/promo", methods=["POST"])
@guard(kind=AccountKind.COMPANY)
@limit_promos
@routes.arguments(schemas.NewPromo())
@routes.response(201, schemas.PromoIdSchema())
def publish_promo(body: Publication) -> dict[str, UUID]:
    """Publish a promo"""
    timezone = config.current().promo_timezone
    return {"id": publish.publish(actor().id, body, timezone=timezone)}


@routes.route("/business/promo", methods=["GET"])
@guard(kind=AccountKind.COMPANY)
@routes.arguments(schemas.OwnPromosQuery(), location="query")
@routes.response(200, schemas.CompanyPromoSchema(many=True), headers=TOTAL)
def list_own(query: dict[str, Any]) -> tuple[list[ShownPromo], int, dict[str, str]]:
    """The company's promos"""
    page = own_promos.list_own(actor().id, **query, timezone=config.current().promo_timezone)
    return with_total(page.promos, page.total)


@routes.route("/business/promo/<promo_id>", methods=["GET"])
@guard(kind=AccountKind.COMPANY)
@routes.response(200, schemas.CompanyPromoSchema())
@routes.refuses(400, 403, 404)
def read(promo_id: UUID) -> ShownPromo:
    """One of the company's promos"""
    return own_promos.read(actor().id, promo_id, timezone=config.current().promo_timezone)


@routes.route("/business/promo/<promo_id>", methods=["PATCH"])
@guard(kind=AccountKind.COMPANY)
@routes.arguments(schemas.PromoChanges())
@routes.response(200, schemas.CompanyPromoSchema())
@routes.refuses(403, 404)
def change_promo(body: TermsChanges, promo_id: UUID) -> ShownPromo:
    """Change a promo's terms"""
    return change.change(actor().id, promo_id, body, timezone=config.current().promo_timezone)


@routes.route("/business/promo/<promo_id>/stat", methods=["GET"])
@guard(kind=AccountKind.COMPANY)
@routes.response(200, schemas.StatisticsSchema())
@routes.refuses(400, 403, 404)
def read_statistics(promo_id: UUID) -> Statistics:
    """How often it was activated, and from where"""
    return statistics.statistics(actor().id, promo_id)
