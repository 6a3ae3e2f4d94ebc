"""`/api/ping` and `/api/business`."""

import marshmallow as ma

from ..web.body import Routes
from .errors import PromoErrorSchema

routes = Routes("promo-business", __name__, error_schema=PromoErrorSchema(), url_prefix="/api", description="Companies and their promos")


class PingSchema(ma.Schema):
    status = ma.fields.String()


@routes.route("/ping", methods=["GET"])
@routes.response(200, PingSchema())
def ping() -> dict[str, str]:
    """Is anybody there?"""
    return {"status": "ok"}
