"""`/v1/coupons`."""

from typing import Any
from uuid import UUID

from ..models import Role
from ..web.aliases import same_under
from ..web.guard import actor, guard
from ..web.rates import code_limits
from . import coupons, schemas, use
from .coupons import CouponChanges, RevealedCoupon
from .envelope import credit_routes
from .use import CouponUse

routes = credit_routes(
    "credit-coupons", __name__, url_prefix="/v1/coupons", description="Coupons that cost credit"
)


@routes.route("", methods=["GET"])
@guard()
@routes.arguments(schemas.CouponsQuery(), location="query")
@routes.response(200, schemas.COUPONS)
@routes.refuses(403)
@routes.doc(
    summary="Coupons that can be used, by creation; administrators see hidden codes and, "
    "with `all=true`, the others"
)
def list_coupons(query: dict[str, Any]) -> dict[str, object]:
    page = coupons.list_coupons(**query, reader_is_administrator=actor().is_administrator)
    return {"coupons": page.items, "meta": page}


@routes.route("", methods=["POST"])
@guard(role=Role.ADMINISTRATOR)
@routes.arguments(schemas.NewCoupon())
@routes.response(201, schemas.COUPON_CREATED)
@routes.refuses(409)
def create_coupon(body: dict[str, Any]) -> dict[str, RevealedCoupon]:
    """Create a coupon"""
    return {"coupons": coupons.create_coupon(**body)}


@routes.route("/mine", methods=["GET"])
@guard()
@routes.arguments(schemas.PageQuery(), location="query")
@routes.response(200, schemas.USES)
def list_uses(query: dict[str, int]) -> dict[str, object]:
    """What the signed-in user bought, newest first"""
    page = use.list_uses(actor().id, **query)
    return {"redemptions": page.items, "meta": page}


@routes.route("/<hidden_code>", methods=["GET"])
@guard()
@routes.response(200, schemas.COUPON)
@routes.refuses(400, 404, 429)
def look_up_coupon(hidden_code: str) -> dict[str, RevealedCoupon]:
    """What a hidden code buys"""
    return {"coupons": coupons.look_up(hidden_code, code_limits(actor().id))}


@routes.route("/use/<hidden_code>", methods=["POST"])
@guard()
@routes.response(200, schemas.USE)
@routes.refuses(400, 404, 429)
def use_coupon_by_code(hidden_code: str) -> CouponUse:
    """Buy and use the coupon with this hidden code"""
    return use.use_by_code(actor().id, hidden_code, code_limits(actor().id))


@routes.route("/<coupon_id>/use", methods=["POST"])
@guard()
@routes.arguments(schemas.HiddenCode())
@routes.response(200, schemas.USE)
@routes.refuses(404, 429)
def use_chosen_coupon(body: dict[str, str], coupon_id: UUID) -> CouponUse:
    """Buy and use this coupon, by its hidden code"""
    return use.use_chosen(actor().id, coupon_id, body["hidden_code"], code_limits(actor().id))


@routes.route("/<coupon_id>", methods=["PATCH"])
@guard(role=Role.ADMINISTRATOR)
@routes.arguments(schemas.CouponChanges())
@routes.response(200, schemas.COUPON)
@routes.refuses(404, 409)
def change_coupon(body: CouponChanges, coupon_id: UUID) -> dict[str, RevealedCoupon]:
    """Change a coupon"""
    return {"coupons": coupons.change_coupon(coupon_id, body)}


@routes.route("/<coupon_id>", methods=["DELETE"])
@guard(role=Role.ADMINISTRATOR)
@routes.response(200, schemas.COUPON)
@routes.refuses(404)
def deactivate_coupon(coupon_id: UUID) -> dict[str, RevealedCoupon]:
    """Deactivate a coupon; its history stays"""
    return {"coupons": coupons.deactivate_coupon(coupon_id)}


# The collection that was published with the original asks for these.
as_published = same_under(routes, "/v1/coupon", ending="as_published")
