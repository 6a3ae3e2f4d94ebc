"""`/api/vouchers/types`."""

from typing import Any
from uuid import UUID

from .. import config
from ..db.pages import Page
from ..models import VoucherType
from ..web.body import Routes
from ..web.guard import guard
from ..web.pagination import LinkedPageQuery
from . import schemas, types
from .described import TYPES

routes: Routes = Routes(
    "voucher-types",
    __name__,
    error_schema=schemas.VoucherErrorSchema(),
    described=TYPES,
    tag="vouchers",
    url_prefix="/api/vouchers/types",
)


@routes.route("", methods=["GET"])
@routes.arguments(LinkedPageQuery(), location="query")
@routes.response(200, schemas.VoucherTypePageSchema())
def list_types(query: dict[str, int]) -> Page:
    """What is on sale"""
    return types.list_types(**query)


@routes.route("", methods=["POST"])
@guard(role="administrator")
@routes.arguments(schemas.NewVoucherType())
@routes.response(201, schemas.VoucherTypeSchema())
def create_type(body: dict[str, Any]) -> VoucherType:
    """Put a type of voucher on sale"""
    return types.create_type(**{"currency": config.current().currency, **body})


@routes.route("/<type_id>", methods=["PATCH"])
@guard(role="administrator")
@routes.arguments(schemas.VoucherTypeChanges())
@routes.response(200, schemas.VoucherTypeSchema())
@routes.refuses(404)
def change_type(body: dict[str, Any], type_id: UUID) -> VoucherType:
    """Change a type; vouchers that are sold keep their uses and their days"""
    return types.change_type(type_id, **body)


@routes.route("/<type_id>", methods=["DELETE"])
@guard(role="administrator")
@routes.response(204)
@routes.refuses(404)
def deactivate_type(type_id: UUID) -> None:
    """Take a type off sale; vouchers that are sold stay good"""
    types.deactivate_type(type_id)
