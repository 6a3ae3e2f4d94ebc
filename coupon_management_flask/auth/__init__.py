"""Signing in and out, for the contracts of people."""

from ..web.contract import Feature, Part
from . import credit_routes, profile_routes, promo_routes, reset_page, voucher_routes

FEATURE = Feature(
    (
        Part("credit_coupons", (credit_routes.routes,)),
        Part("promos", (promo_routes.company_routes, promo_routes.user_routes)),
        Part(
            "vouchers",
            (voucher_routes.routes, profile_routes.routes),
            ("/api/auth", "/api/users"),
        ),
    ),
    pages=(reset_page.pages,),
)
