"""`/api/health` and `/api/test`: is the service well?"""

from ..web.contract import Feature, Part
from . import routes

FEATURE = Feature((Part("vouchers", (routes.routes,), ("/api/health", "/api/test")),))
