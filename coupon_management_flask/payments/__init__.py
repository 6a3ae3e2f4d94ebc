"""All that sells and refunds, by card or with credit: `/api/payments`, part of `/api/vouchers`."""

from ..web.contract import Feature, Part
from . import purchase_routes, routes
from .errors import MESSAGES, STATUSES

FEATURE = Feature(
    (
        Part(
            "vouchers",
            (purchase_routes.routes, routes.routes),
            ("/api/payments",),
            MESSAGES,
            STATUSES,
        ),
    )
)
