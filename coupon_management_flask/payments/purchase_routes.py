"""`/api/vouchers/purchase`: the part of `/api/vouchers` that sells."""

from typing import Any

from .. import config
from ..vouchers.schemas import VoucherErrorSchema
from ..web.body import Routes
from ..web.guard import actor, guard
from ..web.rates import code_limits
from . import schemas
from .sales import credit
from .sales.credit import CreditValue, Purchased

routes: Routes = Routes(
    "voucher-purchases",
    __name__,
    error_schema=VoucherErrorSchema(),
    tag="vouchers",
    url_prefix="/api/vouchers",
)


@routes.route("/purchase", methods=["POST"])
@guard()
@routes.arguments(schemas.VoucherPurchase())
@routes.response(201, schemas.VouchersPurchasedSchema())
@routes.refuses(402, 429)
def purchase(body: dict[str, Any]) -> Purchased:
    """Buy vouchers with credit: all of them or none"""
    settings = config.current()
    value = CreditValue(settings.credit_value, settings.currency)
    return credit.purchase(
        actor().id, **body, attempt_limits=code_limits(actor().id), credit_value=value
    )
