"""`/v1`: users spend credit on coupons that carry a hidden code."""

from ..web.contract import Contract, Feature, Part
from . import coupon_routes, user_routes
from .errors import MESSAGES, render_error

CONTRACT = Contract("credit_coupons", ("/v1",), render_error, MESSAGES)
FEATURE = Feature(
    (
        Part(
            "credit_coupons",
            (coupon_routes.routes, coupon_routes.as_published, user_routes.routes),
        ),
    )
)
