"""What was issued, redeemed and sold: a dashboard and an export."""

from ..web.contract import Feature, Part
from . import routes

FEATURE = Feature((Part("vouchers", (routes.routes,), ("/api/analytics",)),))
