"""`/api/v1/coupons` and `/api/v1/redemptions`."""

from typing import Any
from uuid import UUID

from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from .. import config
from ..core import errors
from ..db.pages import Page
from ..web.body import Routes
from ..web.guard import actor, guard
from ..web.rates import code_limits, limit_account, limit_best
from . import checkout, redemptions, rollback
from . import explain as explaining
from . import redeem as redeeming
from .caller import Caller
from .coupons import change, find
from .coupons.coupon import Coupon
from .described import DISCOUNTS
from .errors import DiscountErrorSchema
from .schemas import carts, coupons, explanations, fields
from .schemas import redemptions as redemption_schemas
from .stored import Json

GET, MANAGE = "getCoupons", "manageCoupons"

routes: Routes = Routes(
    "discount-coupons",
    __name__,
    error_schema=DiscountErrorSchema(),
    described=DISCOUNTS,
    url_prefix="/api/v1",
    description="A shop's discounts",
)


class _CouponIdConverter(BaseConverter):
    """Anything but the names of the calls beside it.

    Those answer 405 to a method that is not theirs, as everywhere.
    """

    regex = r"(?!(?:validate|apply|apply-all|best|increment-usage|redeem|generate|import)\Z)[^/]+"
    # Otherwise Werkzeug would take the slash in the pattern for one that it matches.
    part_isolating = True


def _know_ids(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["coupon"] = _CouponIdConverter


routes.record(_know_ids)


# A server checks the carts of many customers, a shopper one.
_limit_shoppers = limit_account(
    "price_checks",
    only=lambda who: MANAGE not in who.permissions and who.session_id is not None,
)


def caller(customer_id: str | None = None) -> Caller:
    """Return who calls, and for which customer.

    Raises: Invalid for a shopper that names somebody else.
    """
    who = actor()
    if MANAGE in who.permissions:
        return Caller(who.id, True, customer_id)
    if customer_id not in (None, str(who.id)):
        raise errors.Invalid({"customerId": ["It must be your own id."]})
    return Caller(who.id, False, str(who.id), code_limits(who.id))


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body as the use cases take it, with who calls instead of the customer."""
    return {"caller": caller(body.pop("customer_id")), **body}


@routes.route("/coupons", methods=["POST"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(coupons.NewDiscountCoupon())
@routes.response(201, coupons.DiscountCouponSchema())
def create_coupon(body: dict[str, Any]) -> Coupon:
    """Create a coupon"""
    return change.create_coupon(**{"currency": config.current().currency, **body})


@routes.route("/coupons", methods=["GET"])
@guard(permission=GET, api_key=True)
@routes.arguments(coupons.CouponsQuery(), location="query")
@routes.response(200, coupons.CouponPageSchema())
def list_coupons(query: dict[str, Any]) -> Page:
    """Coupons; callers that may not manage them see the active public ones"""
    return find.list_coupons(caller(), **query)


@routes.route("/coupons/<coupon:coupon_id>", methods=["GET"])
@guard(permission=GET, api_key=True)
@routes.response(200, coupons.DiscountCouponSchema())
@routes.refuses(400, 404)
def read_coupon(coupon_id: UUID) -> Coupon:
    """A coupon"""
    return find.read_coupon(caller(), coupon_id)


@routes.route("/coupons/code/<code>", methods=["GET"])
@guard(permission=GET, api_key=True)
@routes.response(200, coupons.DiscountCouponSchema())
@routes.refuses(400, 404, 429)
def read_by_code(code: str) -> Coupon:
    """The coupon with this code"""
    return find.read_by_code(caller(), code)


@routes.route("/coupons/<coupon:coupon_id>", methods=["PATCH"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(coupons.DiscountCouponChanges())
@routes.response(200, coupons.DiscountCouponSchema())
@routes.refuses(404)
def change_coupon(body: dict[str, Any], coupon_id: UUID) -> Coupon:
    """Change a coupon's terms"""
    return change.change_coupon(coupon_id, body)


@routes.route("/coupons/<coupon:coupon_id>", methods=["DELETE"])
@guard(permission=MANAGE, api_key=True)
@routes.response(204)
@routes.refuses(404)
def delete_coupon(coupon_id: UUID) -> None:
    """Delete a coupon; the history of its redemptions stays"""
    change.delete_coupon(coupon_id)


@routes.route("/coupons/product/<product>", methods=["GET"])
@guard(permission=GET, api_key=True)
@routes.response(200, coupons.DiscountCouponSchema(many=True))
@routes.refuses(400)
def list_for_product(product: str) -> list[Coupon]:
    """The active coupons that can apply to a product, those of the highest priority first"""
    if len(product) > fields.LONGEST_ID:
        raise errors.Invalid({"productId": [f"At most {fields.LONGEST_ID} characters."]})
    return find.list_for_product(caller(), product)


@routes.route("/coupons/validate", methods=["POST"])
@guard(permission=GET, api_key=True, idempotent=False)
@_limit_shoppers
@routes.arguments(carts.CodeAndCart())
@routes.response(200, carts.ValidSchema())
@routes.refuses(404, 429)
def validate(body: dict[str, Any]) -> checkout.Valid:
    """Whether this code could be used for this cart"""
    return checkout.validate(**_asked(body))


@routes.route("/coupons/apply", methods=["POST"])
@guard(permission=GET, api_key=True, idempotent=False)
@_limit_shoppers
@routes.arguments(carts.CodeAndCart())
@routes.response(200, carts.AppliedSchema())
@routes.refuses(404, 429)
def apply(body: dict[str, Any]) -> checkout.Applied:
    """What this code takes off this cart; it takes no use"""
    return checkout.apply(**_asked(body))


@routes.route("/coupons/apply-all", methods=["POST"])
@guard(permission=GET, api_key=True, idempotent=False)
@_limit_shoppers
@routes.arguments(carts.CodesAndCart())
@routes.response(200, carts.AppliedAllSchema())
@routes.refuses(429)
def apply_all(body: dict[str, Any]) -> checkout.AppliedAll:
    """Which of these codes go together on this cart, and why the others do not"""
    return checkout.apply_all(**_asked(body))


@routes.route("/coupons/best", methods=["POST"])
@guard(permission=GET, api_key=True, idempotent=False)
@limit_best
@routes.arguments(carts.CartAndMaybeCodes())
@routes.response(200, carts.BestSchema())
@routes.refuses(429)
def best(body: dict[str, Any]) -> checkout.Best:
    """The set of coupons with the lowest final amount"""
    return checkout.best(**_asked(body), currency=config.current().currency)


@routes.route("/coupons/increment-usage", methods=["POST"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(carts.CodeOnly())
@routes.response(200, coupons.DiscountCouponSchema())
@routes.refuses(404)
def increment_usage(body: dict[str, str]) -> Coupon:
    """Count a use that belongs to no order"""
    return redeeming.increment_usage(caller(), body["code"])


@routes.route("/coupons/redeem", methods=["POST"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(carts.Order())
@routes.response(201, redemption_schemas.RedeemedSchema())
@routes.alt_response(
    200,
    schema=redemption_schemas.RedeemedSchema(),
    description="This order was redeemed before: the same answer.",
)
@routes.refuses(404)
def redeem(body: dict[str, Any]) -> tuple[Json, int]:
    """Take one use of a code, or of several, for an order"""
    answer, is_new = redeeming.redeem(**_asked(body))
    return answer, 201 if is_new else 200


@routes.route("/redemptions", methods=["GET"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(redemption_schemas.RedemptionsQuery(), location="query")
@routes.response(200, redemption_schemas.RedemptionPageSchema())
def list_redemptions(query: dict[str, Any]) -> Page:
    """What was redeemed, newest first"""
    return redemptions.list_redemptions(**query)


@routes.route("/redemptions/<redemption_id>", methods=["GET"])
@guard(permission=MANAGE, api_key=True)
@routes.response(200, redemption_schemas.RedemptionSchema())
@routes.refuses(400, 404)
def read_redemption(redemption_id: UUID) -> redemptions.RedemptionShown:
    """A redemption"""
    return redemptions.read_redemption(redemption_id)


@routes.route("/redemptions/<redemption_id>/explain", methods=["GET"])
@guard(permission=MANAGE, api_key=True)
@routes.response(200, explanations.ExplanationSchema())
@routes.refuses(400, 404)
def explain(redemption_id: UUID) -> explaining.Explanation:
    """How a redemption came about: what was seen then, and what would be decided now"""
    return explaining.explain(redemption_id)


@routes.route("/redemptions/<redemption_id>/rollback", methods=["POST"])
@guard(permission=MANAGE, api_key=True)
@routes.arguments(redemption_schemas.Rollback())
@routes.response(200, redemption_schemas.RolledBackSchema())
@routes.refuses(404, 409)
def roll_back(body: dict[str, Any], redemption_id: UUID) -> Json:
    """Take a redemption back, or some lines of it: what it took of every limit comes back, once"""
    return rollback.roll_back_for_shop(redemption_id, **body)
