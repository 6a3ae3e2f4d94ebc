"""`/api/business` and `/api/user`: companies publish promo codes, users find and activate them."""

from ..web.contract import Contract, Feature, Part
from . import business_routes, user_routes
from .errors import MESSAGES, STATUSES, render_error

CONTRACT = Contract(
    "promos", ("/api/ping", "/api/business", "/api/user"), render_error, MESSAGES, STATUSES
)
FEATURE = Feature((Part("promos", (business_routes.routes, user_routes.routes)),))
