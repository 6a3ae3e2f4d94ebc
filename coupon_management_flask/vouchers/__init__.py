"""`/api/vouchers`: the types that are on sale, the vouchers somebody owns, and redeeming them."""

from ..web.contract import Contract, Feature, Part
from . import routes, type_routes
from .errors import MESSAGES, STATUSES, render_error

CONTRACT = Contract("vouchers", ("/api/vouchers",), render_error, MESSAGES, STATUSES)
FEATURE = Feature((Part("vouchers", (type_routes.routes, routes.routes)),))
