"""`/api/v1`: a shop's checkout validates, applies and redeems discounts."""

from ..web.contract import MAX_BODY, Contract, Feature, Part
from . import routes
from .bulk import routes as bulk_routes
from .errors import MESSAGES, render_error
from .webhooks import routes as webhook_routes

CONTRACT = Contract(
    "discount_coupons",
    ("/api/v1",),
    render_error,
    MESSAGES,
    # Carts have up to 10,000 items.
    max_body=4 * MAX_BODY,
    larger_bodies={"/api/v1/coupons/import": 64 * MAX_BODY},
)
FEATURE = Feature(
    (Part("discount_coupons", (routes.routes, bulk_routes.routes, webhook_routes.routes)),)
)
