"""Signing up, in and out: routes and schemas for each contract of people, over identity."""

from ..web.contract import Feature, Part
from . import credit_routes, promo_routes, reset_page, voucher_profile_routes, voucher_routes

FEATURE = Feature(
    (
        Part("credit_coupons", (credit_routes.routes,)),
        Part("promos", (promo_routes.company_routes, promo_routes.user_routes)),
        Part(
            "vouchers",
            (voucher_routes.routes, voucher_profile_routes.routes),
            ("/api/auth", "/api/users"),
        ),
    ),
    pages=(reset_page.pages,),
)
