"""`/api/vouchers/purchase`: the part of `/api/vouchers` that sells."""

from typing import Any

from .. import config
from ..vouchers.schemas import VoucherErrorSchema
from ..web.body import Routes
from ..web.guard import actor, guard
from ..web.rates import code_limits
from . import schemas
from .described import PURCHASES
from .sales import credit, credit_refunds
from .sales.credit import CreditValue, Purchased
from .sales.credit_refunds import PurchaseRefunded

routes: Routes = Routes(
    "voucher-purchases",
    __name__,
    error_schema=VoucherErrorSchema(),
    described=PURCHASES,
    tag="vouchers",
    url_prefix="/api/vouchers",
)


@routes.route("/purchase", methods=["POST"])
@guard()
@routes.arguments(schemas.VoucherPurchase())
@routes.response(201, schemas.VouchersPurchasedSchema())
@routes.refuses(402, 409, 429, 502)
def purchase(body: dict[str, Any]) -> Purchased:
    """Buy vouchers with credit: all of them or none"""
    settings = config.current()
    value = CreditValue(settings.credit_value, settings.currency)
    return credit.purchase(
        actor().id, **body, attempt_limits=code_limits(actor().id), credit_value=value
    )


@routes.route("/refund", methods=["POST"])
@guard()
@routes.arguments(schemas.VoucherRefund())
@routes.response(200, schemas.VouchersRefundedSchema())
@routes.refuses(404, 409)
def refund(body: dict[str, Any]) -> PurchaseRefunded:
    """Take back all vouchers of a purchase with credit, and give the credit back"""
    return credit_refunds.refund(actor().id, **body, is_administrator=actor().is_administrator)
