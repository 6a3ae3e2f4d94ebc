"""`/api/coupons`: a popup on any website gives a visitor a code, which is mailed too."""

from ..web.contract import Contract, Feature, Part
from . import popup_routes, routes
from .errors import render_error

CONTRACT = Contract("email_coupons", ("/api/coupons",), render_error)
FEATURE = Feature((Part("email_coupons", (routes.routes,)),), pages=(popup_routes.routes,))
