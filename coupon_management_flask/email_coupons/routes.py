"""`/api/coupons`."""

from typing import Any

from flask import Response, render_template

from .. import config
from ..db.pages import Page
from ..text import mailboxes
from ..web.body import Routes
from ..web.guard import guard
from ..web.rates import count_coupon_email, limit_coupons
from . import issue, listing, schemas, websites
from . import unsubscribe as unsubscribing
from .described import EMAIL_COUPONS
from .errors import EmailCouponErrorSchema
from .issue import Issued, Terms

routes: Routes = Routes(
    "email-coupons",
    __name__,
    error_schema=EmailCouponErrorSchema(),
    described=EMAIL_COUPONS,
    url_prefix="/api/coupons",
    template_folder="templates",
    description="Codes for visitors of websites, by e-mail",
)

PAGE = {"type": "string", "description": "A page for people."}


def _terms(website: str) -> Terms:
    """Return what a code for this website is worth."""
    settings = config.current()
    own = settings.coupon_websites.get(website, {})
    return Terms(
        own.get("discount_percent", settings.coupon_discount_percent),
        own.get("expiry_days", settings.coupon_expiry_days),
        settings.currency,
    )


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
def issue_coupon(pair: dict[str, str]) -> tuple[Issued, int]:
    """Get a code for an e-mail address on a website; it is mailed too"""
    websites.check(pair["website"], config.current().coupon_allowed_websites)
    count_coupon_email(mailboxes.without_tag(pair["email"]))
    coupon, is_new = issue.issue(**pair, terms=_terms(pair["website"]))
    return coupon, 201 if is_new else 200


@routes.route("", methods=["GET"])
@guard(role="administrator")
@routes.arguments(schemas.EmailCouponsQuery(), location="query")
@routes.response(200, schemas.EmailCouponPageSchema())
def list_coupons(query: dict[str, Any]) -> Page:
    """The codes that were given, newest first"""
    return listing.list_coupons(**query)


@routes.route("/unsubscribe", methods=["GET"])
@routes.arguments(schemas.TokenQuery(), location="query")
@routes.response(200, PAGE, content_type="text/html")
def ask_to_unsubscribe(query: dict[str, str]) -> Response:
    """Ask whether to unsubscribe; changes nothing, since mail programs open links themselves"""
    return _page(unsubscribing.address_of(query["token"]), is_done=False)


@routes.route("/unsubscribe", methods=["POST"])
@routes.arguments(schemas.TokenQuery(), location="query")
@routes.response(200, PAGE, content_type="text/html")
def unsubscribe(query: dict[str, str]) -> Response:
    """Unsubscribe the address of a mail's link, as its button or a mail program asks (RFC 8058)"""
    address = unsubscribing.address_of(query["token"])
    unsubscribing.unsubscribe(address)
    return _page(address, is_done=True)


def _page(address: str, *, is_done: bool) -> Response:
    return Response(
        render_template("email_coupons/unsubscribe.html", address=address, is_done=is_done),
        mimetype="text/html",
    )
