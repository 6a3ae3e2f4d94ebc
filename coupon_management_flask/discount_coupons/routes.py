"""`/api/v1/coupons` and `/api/v1/redemptions`."""

from typing import Any
from uuid import UUID

from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from .. import config
from ..core import errors
from ..web.body import Routes
from ..web.guard import actor, guard
from ..web.rates import code_guesses
from . import checkout as checkout_service
from . import redeem as orders
from . import redemptions as redemption_service
from . import rules
from .coupons import change as coupon_service
from .errors import DiscountErrorSchema
from .rules import Caller
from .schemas import coupons as schemas

GET, MANAGE = "getCoupons", "manageCoupons"

routes: Routes = Routes(
    "discount-coupons",
    __name__,
    error_schema=DiscountErrorSchema(),
    url_prefix="/api/v1",
    description="A shop's discounts",
)


class _CouponIdConverter(BaseConverter):
    """Anything but the names of the calls beside it: those answer 405 to a method that is not theirs, as everywhere."""

    regex = r"(?!(?:validate|apply|apply-all|best|increment-usage|redeem|generate|import)\Z)[^/]+"
    # Werkzeug would take the slash in it for one that it matches.
    part_isolating = True


def _know_ids(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["coupon"] = _CouponIdConverter


routes.record(_know_ids)


def caller(customer_id: str | None = None) -> Caller:
    """Who calls, for which customer. Raises Invalid for a shopper that names somebody else."""
    who = actor()
    if MANAGE in who.permissions:
        return Caller(who.id, True, customer_id)
    if customer_id not in (None, str(who.id)):
        raise errors.Invalid({"customerId": ["It must be your own id."]})
    return Caller(who.id, False, str(who.id), code_guesses(who.id))


def _cart(body: dict[str, Any]) -> dict[str, Any]:
    """A body's cart as the services take it, and who calls for whom; whatever else it says stays."""
    cart = rules.cart_of(body.pop("cart_total"), body.pop("product_ids"), body.pop("items"))
    return {"caller": caller(body.pop("customer_id")), "cart": cart, **body}


@routes.route("/coupons", methods=["POST"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(schemas.NewDiscountCoupon())
@routes.response(201, schemas.DiscountCouponSchema())
def create_coupon(body: dict[str, Any]) -> Any:
    """Create a coupon"""
    return coupon_service.create_coupon(**{"currency": config.current().currency, **body})


@routes.route("/coupons", methods=["GET"])
@guard(permission=GET, api_key=True)
@routes.arguments(schemas.CouponsQuery(), location="query")
@routes.response(200, schemas.CouponPageSchema())
def list_coupons(query: dict[str, Any]) -> Any:
    """Coupons; for who may not manage them, the active public ones"""
    return coupon_service.list_coupons(caller(), **query)


@routes.route("/coupons/<coupon:coupon_id>", methods=["GET"])
@guard(permission=GET, api_key=True)
@routes.response(200, schemas.DiscountCouponSchema())
@routes.refuses(400, 404)
def read_coupon(coupon_id: UUID) -> Any:
    """A coupon"""
    return coupon_service.read_coupon(caller(), coupon_id)


@routes.route("/coupons/code/<code>", methods=["GET"])
@guard(permission=GET, api_key=True)
@routes.response(200, schemas.DiscountCouponSchema())
@routes.refuses(400, 404, 429)
def read_by_code(code: str) -> Any:
    """The coupon with this code"""
    return coupon_service.read_by_code(caller(), code)


@routes.route("/coupons/<coupon:coupon_id>", methods=["PATCH"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(schemas.DiscountCouponChanges())
@routes.response(200, schemas.DiscountCouponSchema())
@routes.refuses(404)
def change_coupon(body: dict[str, Any], coupon_id: UUID) -> Any:
    """Change a coupon's terms"""
    return coupon_service.change_coupon(coupon_id, body)


@routes.route("/coupons/<coupon:coupon_id>", methods=["DELETE"])
@guard(permission=MANAGE, api_key=True)
@routes.response(204)
@routes.refuses(404)
def delete_coupon(coupon_id: UUID) -> None:
    """Delete a coupon; the history of its redemptions stays"""
    coupon_service.delete_coupon(coupon_id)


@routes.route("/coupons/product/<product>", methods=["GET"])
@guard(permission=GET, api_key=True)
@routes.response(200, schemas.DiscountCouponSchema(many=True))
@routes.refuses(400)
def list_for_product(product: str) -> Any:
    """The active coupons that can apply to a product, those of the highest priority first"""
    if len(product) > schemas.LONGEST_ID:
        raise errors.Invalid({"productId": [f"At most {schemas.LONGEST_ID} characters."]})
    return coupon_service.list_for_product(caller(), product)


@routes.route("/coupons/validate", methods=["POST"])
@guard(permission=GET, api_key=True)
@routes.arguments(schemas.CodeAndCart())
@routes.response(200, schemas.ValidSchema())
@routes.refuses(404, 429)
def validate(body: dict[str, Any]) -> Any:
    """Could this code be used for this cart?"""
    return checkout_service.validate(**_cart(body))


@routes.route("/coupons/apply", methods=["POST"])
@guard(permission=GET, api_key=True)
@routes.arguments(schemas.CodeAndCart())
@routes.response(200, schemas.AppliedSchema())
@routes.refuses(404, 429)
def apply(body: dict[str, Any]) -> Any:
    """What this code takes off this cart; it takes no use"""
    return checkout_service.apply(**_cart(body))


@routes.route("/coupons/apply-all", methods=["POST"])
@guard(permission=GET, api_key=True)
@routes.arguments(schemas.CodesAndCart())
@routes.response(200, schemas.AppliedAllSchema())
@routes.refuses(429)
def apply_all(body: dict[str, Any]) -> Any:
    """Which of these codes go together on this cart, and why the others do not"""
    return checkout_service.apply_all(**_cart(body))


@routes.route("/coupons/best", methods=["POST"])
@guard(permission=GET, api_key=True)
@routes.arguments(schemas.CartAndMaybeCodes())
@routes.response(200, schemas.BestSchema())
@routes.refuses(429)
def best(body: dict[str, Any]) -> Any:
    """The set of coupons with the lowest final amount"""
    return checkout_service.best(**_cart(body), currency=config.current().currency)


@routes.route("/coupons/increment-usage", methods=["POST"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(schemas.CodeOnly())
@routes.response(200, schemas.DiscountCouponSchema())
@routes.refuses(404)
def increment_usage(body: dict[str, str]) -> Any:
    """Count a use that belongs to no order"""
    return orders.increment_usage(caller(), body["code"])


@routes.route("/coupons/redeem", methods=["POST"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(schemas.Order())
@routes.response(201, schemas.RedeemedSchema())
@routes.alt_response(
    200,
    schema=schemas.RedeemedSchema(),
    description="This order was redeemed before: the same answer.",
)
@routes.refuses(404)
def redeem(body: dict[str, Any]) -> Any:
    """Take one use of a code, or of several, for an order"""
    answer, is_new = orders.redeem(**_cart(body))
    return answer, 201 if is_new else 200


@routes.route("/redemptions", methods=["GET"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(schemas.RedemptionsQuery(), location="query")
@routes.response(200, schemas.RedemptionPageSchema())
def list_redemptions(query: dict[str, Any]) -> Any:
    """What was redeemed, newest first"""
    return redemption_service.list_redemptions(**query)


@routes.route("/redemptions/<redemption_id>", methods=["GET"])
@guard(permission=MANAGE, api_key=True)
@routes.response(200, schemas.RedemptionSchema())
@routes.refuses(400, 404)
def read_redemption(redemption_id: UUID) -> Any:
    """A redemption"""
    return redemption_service.read_redemption(redemption_id)


@routes.route("/redemptions/<redemption_id>/explain", methods=["GET"])
@guard(permission=MANAGE, api_key=True)
@routes.response(200, schemas.ExplanationSchema())
@routes.refuses(400, 404)
def explain(redemption_id: UUID) -> Any:
    """How a redemption came about: what was seen then, and what would be decided now"""
    return redemption_service.explain(redemption_id)


@routes.route("/redemptions/<redemption_id>/rollback", methods=["POST"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(schemas.Rollback())
@routes.response(200, schemas.RolledBackSchema())
@routes.refuses(404)
def roll_back(body: dict[str, Any], redemption_id: UUID) -> Any:
    """Take a redemption back, or some lines of it: what it took of every limit comes back, once"""
    return orders.roll_back(redemption_id, **body)
