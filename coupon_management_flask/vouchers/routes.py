"""`/api/vouchers`, but for the types that are on sale and what has to do with payment."""

from typing import Any

from flask import Response

from .. import config
from ..db.pages import Page
from ..web.body import Headers, Routes
from ..web.guard import actor, guard
from ..web.pagination import LinkedPageQuery
from ..web.rates import code_limits
from . import qr, schemas, vouchers
from . import redeem as use_cases
from .described import VOUCHERS
from .redeem import Redeemed
from .vouchers import OwnedVoucher, VoucherFigures

routes: Routes = Routes(
    "vouchers",
    __name__,
    error_schema=schemas.VoucherErrorSchema(),
    described=VOUCHERS,
    url_prefix="/api/vouchers",
    description="Vouchers for services",
)

_PICTURE = {"type": "string", "format": "binary"}
_PRIVATE: Headers = {
    "Cache-Control": {
        "description": "No cache that others share may keep it.",
        "required": True,
        "schema": {"type": "string", "const": "private"},
    }
}


@routes.route("/redeem", methods=["POST"])
@guard()
@routes.arguments(schemas.VoucherUse())
@routes.response(200, schemas.VoucherRedeemedSchema())
@routes.refuses(404, 429)
def redeem(body: dict[str, Any]) -> Redeemed:
    """Redeem one use of one's own voucher"""
    return use_cases.redeem(actor().id, **body, attempt_limits=code_limits(actor().id))


@routes.route("/my-vouchers", methods=["GET"])
@guard()
@routes.arguments(schemas.VouchersQuery(), location="query")
@routes.response(200, schemas.VoucherPageSchema())
def list_vouchers(query: dict[str, Any]) -> Page:
    """One's own vouchers, newest first"""
    return vouchers.list_own(actor().id, **query)


@routes.route("/detail/<code>", methods=["GET"])
@guard()
@routes.response(200, schemas.VoucherSchema())
@routes.refuses(400, 404, 429)
def read_voucher(code: str) -> OwnedVoucher:
    """One's own voucher"""
    return _own(code)


def _own(code: str) -> OwnedVoucher:
    return vouchers.read_own(actor().id, code, code_limits(actor().id))


@routes.route("/detail/<code>/qr.svg", methods=["GET"])
@guard()
@routes.response(200, _PICTURE, content_type="image/svg+xml", headers=_PRIVATE)
@routes.refuses(400, 404, 429)
def draw_svg(code: str) -> Response:
    """The code of one's own voucher as a QR picture, in SVG"""
    return _picture(qr.svg(_own(code).code), "image/svg+xml")


@routes.route("/detail/<code>/qr.png", methods=["GET"])
@guard()
@routes.response(200, _PICTURE, content_type="image/png", headers=_PRIVATE)
@routes.refuses(400, 404, 429)
def draw_png(code: str) -> Response:
    """The code of one's own voucher as a QR picture, in PNG"""
    return _picture(qr.png(_own(code).code), "image/png")


def _picture(data: bytes, mimetype: str) -> Response:
    return Response(data, mimetype=mimetype, headers={"Cache-Control": "private"})


@routes.route("/stats", methods=["GET"])
@guard()
@routes.response(200, schemas.VoucherStatsSchema())
def stats() -> VoucherFigures:
    """How many vouchers one has, and what they are worth"""
    return vouchers.add_up(actor().id, currency=config.current().currency)


@routes.route("/usage-history", methods=["GET"])
@guard()
@routes.arguments(LinkedPageQuery(), location="query")
@routes.response(200, schemas.VoucherUsagePageSchema())
def list_usages(query: dict[str, int]) -> Page:
    """What one has redeemed, newest first"""
    return use_cases.list_usages(actor().id, **query)
