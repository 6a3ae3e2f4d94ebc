"""`/api/vouchers`."""

from typing import Any
from uuid import UUID

from flask import Response

from .. import config
from ..web.body import Headers, Routes
from ..web.guard import actor, guard
from ..web.pagination import LinkedPageQuery, Page
from ..web.rates import code_guesses
from . import qr, schemas, types
from . import redeem as uses
from .shapes import VoucherErrorSchema, VoucherSchema, VoucherTypeSchema

routes: Routes = Routes(
    "vouchers",
    __name__,
    error_schema=VoucherErrorSchema(),
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


@routes.route("/types", methods=["GET"])
@routes.arguments(LinkedPageQuery(), location="query")
@routes.response(200, schemas.VoucherTypePageSchema())
def list_types(query: dict[str, int]) -> Page:
    """What is sold"""
    return types.list_types(**query)


@routes.route("/types", methods=["POST"])
@guard(role="administrator")
@routes.arguments(schemas.NewVoucherType())
@routes.response(201, VoucherTypeSchema())
def create_type(body: dict[str, Any]) -> dict[str, Any]:
    """Put a type of voucher on sale"""
    return types.create_type(**{"currency": config.current().currency, **body})


@routes.route("/types/<type_id>", methods=["PATCH"])
@guard(role="administrator")
@routes.arguments(schemas.VoucherTypeChanges())
@routes.response(200, VoucherTypeSchema())
@routes.refuses(404)
def change_type(body: dict[str, Any], type_id: UUID) -> dict[str, Any]:
    """Change a type; vouchers that are sold keep their uses and their days"""
    return types.change_type(type_id, body)


@routes.route("/types/<type_id>", methods=["DELETE"])
@guard(role="administrator")
@routes.response(204)
@routes.refuses(404)
def deactivate_type(type_id: UUID) -> None:
    """Take a type off sale; vouchers that are sold stay good"""
    types.deactivate_type(type_id)


@routes.route("/purchase", methods=["POST"])
@guard()
@routes.arguments(schemas.VoucherPurchase())
@routes.response(201, schemas.VouchersPurchasedSchema())
@routes.refuses(402, 429)
def purchase(body: dict[str, Any]) -> dict[str, Any]:
    """Buy vouchers with credit: all of them or none"""
    worth = uses.Credit(config.current().credit_value, config.current().currency)
    return {
        "message": "Purchase successful.",
        **uses.purchase(actor().id, **body, guess_limits=code_guesses(actor().id), credit=worth),
    }


@routes.route("/redeem", methods=["POST"])
@guard()
@routes.arguments(schemas.VoucherUse())
@routes.response(200, schemas.VoucherRedeemedSchema())
@routes.refuses(404, 429)
def redeem(body: dict[str, Any]) -> dict[str, Any]:
    """Redeem one use of one's own voucher"""
    return {
        "message": "Voucher redeemed.",
        **uses.redeem(actor().id, **body, guess_limits=code_guesses(actor().id)),
    }


@routes.route("/my-vouchers", methods=["GET"])
@guard()
@routes.arguments(schemas.VouchersQuery(), location="query")
@routes.response(200, schemas.VoucherPageSchema())
def list_vouchers(query: dict[str, Any]) -> Page:
    """One's own vouchers, newest first"""
    return uses.list_vouchers(actor().id, **query)


@routes.route("/detail/<code>", methods=["GET"])
@guard()
@routes.response(200, VoucherSchema())
@routes.refuses(400, 404, 429)
def read_voucher(code: str) -> dict[str, Any]:
    """One's own voucher"""
    return _own(code)


def _own(code: str) -> dict[str, Any]:
    return uses.read_voucher(actor().id, code, code_guesses(actor().id))


@routes.route("/detail/<code>/qr.svg", methods=["GET"])
@guard()
@routes.response(200, _PICTURE, content_type="image/svg+xml", headers=_PRIVATE)
@routes.refuses(400, 404, 429)
def draw_svg(code: str) -> Response:
    """The code of one's own voucher as a QR picture, in SVG"""
    return _picture(qr.svg(_own(code)["code"]), "image/svg+xml")


@routes.route("/detail/<code>/qr.png", methods=["GET"])
@guard()
@routes.response(200, _PICTURE, content_type="image/png", headers=_PRIVATE)
@routes.refuses(400, 404, 429)
def draw_png(code: str) -> Response:
    """The code of one's own voucher as a QR picture, in PNG"""
    return _picture(qr.png(_own(code)["code"]), "image/png")


def _picture(data: bytes, mimetype: str) -> Response:
    return Response(data, mimetype=mimetype, headers={"Cache-Control": "private"})


@routes.route("/stats", methods=["GET"])
@guard()
@routes.response(200, schemas.VoucherStatsSchema())
def stats() -> dict[str, Any]:
    """How many vouchers one has, and what they are worth"""
    return uses.stats(actor().id, currency=config.current().currency)


@routes.route("/usage-history", methods=["GET"])
@guard()
@routes.arguments(LinkedPageQuery(), location="query")
@routes.response(200, schemas.VoucherUsagePageSchema())
def list_usages(query: dict[str, int]) -> Page:
    """What one has redeemed, newest first"""
    return uses.list_usages(actor().id, **query)
