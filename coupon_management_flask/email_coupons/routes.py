"""`/api/coupons`."""

from typing import Any

from flask import Response, render_template

from .. import config
from ..web.body import Routes
from ..web.guard import guard
from ..web.rates import count_coupon_email, limit_coupons
from . import issue, mailer, schemas
from .errors import EmailCouponErrorSchema

routes: Routes = Routes(
    "email-coupons",
    __name__,
    error_schema=EmailCouponErrorSchema(),
    url_prefix="/api/coupons",
    template_folder="templates",
    description="Codes for visitors of websites, by e-mail",
)

PAGE = {"type": "string", "description": "A page for people."}


def _page(address: str, *, is_done: bool) -> Response:
    return Response(
        render_template("email_coupons/unsubscribe.html", address=address, is_done=is_done),
        mimetype="text/html",
    )


def _terms(website: str) -> dict[str, Any]:
    """What a code for this website is worth."""
    settings = config.current()
    usual = {
        "discount_percent": settings.coupon_discount_percent,
        "expiry_days": settings.coupon_expiry_days,
    }
    return {"currency": settings.currency, **usual, **settings.coupon_websites.get(website, {})}


@routes.route("", methods=["POST"])
@limit_coupons
@routes.arguments(schemas.PairSchema())
@routes.response(201, schemas.EmailCouponSchema())
@routes.alt_response(
    200,
    schema=schemas.EmailCouponSchema(),
    description="The code that was given before and has not expired.",
)
@routes.refuses(429)
def issue_coupon(pair: dict[str, Any]) -> Any:
    """Get a code for an e-mail address on a website; it is mailed too"""
    count_coupon_email(pair["email"])
    coupon, is_new = issue.issue(**pair, **_terms(pair["website"]))
    return coupon, 201 if is_new else 200


@routes.route("", methods=["GET"])
@guard(role="administrator")
@routes.arguments(schemas.EmailCouponsQuery(), location="query")
@routes.response(200, schemas.EmailCouponPageSchema())
def list_coupons(query: dict[str, Any]) -> Any:
    """The codes that were given, newest first"""
    return issue.list_coupons(**query)


@routes.route("/unsubscribe", methods=["GET"])
@routes.arguments(schemas.TokenQuery(), location="query")
@routes.response(200, PAGE, content_type="text/html")
def ask_to_unsubscribe(query: dict[str, str]) -> Response:
    """Ask whether somebody wants no mails any more; nothing is changed by it, for mail programs look at links themselves"""
    return _page(mailer.address_of(query["token"]), is_done=False)


@routes.route("/unsubscribe", methods=["POST"])
@routes.arguments(schemas.TokenQuery(), location="query")
@routes.response(200, PAGE, content_type="text/html")
def unsubscribe(query: dict[str, str]) -> Response:
    """Send no mails to the address of a mail's link any more, as its button or the mail program asks (RFC 8058)"""
    address = mailer.address_of(query["token"])
    issue.unsubscribe(address)
    return _page(address, is_done=True)
