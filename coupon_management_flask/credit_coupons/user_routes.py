"""`/v1/user`: users and their credit."""

from typing import Any
from uuid import UUID

from ..models import Role
from ..web.guard import actor, guard
from . import schemas, users
from .described import USERS
from .envelope import credit_routes
from .users import CreditChanged, User

routes = credit_routes(
    "credit-users",
    __name__,
    described=USERS,
    url_prefix="/v1/user",
    description="Users, their credit and its ledger",
)


@routes.route("", methods=["GET"])
@guard(role=Role.ADMINISTRATOR)
@routes.arguments(schemas.PageQuery(), location="query")
@routes.response(200, schemas.USERS)
def list_users(query: dict[str, int]) -> dict[str, object]:
    """All users"""
    page = users.list_users(**query)
    return {"users": page.items, "meta": page}


@routes.route("", methods=["POST"])
@guard(role=Role.ADMINISTRATOR)
@routes.arguments(schemas.NewUser())
@routes.response(201, schemas.USER_CREATED)
@routes.refuses(409)
def create_user(body: dict[str, Any]) -> dict[str, User]:
    """Create a user"""
    return {"user": users.create_user(**body)}


@routes.route("/<user_id>", methods=["GET"])
@guard()
@routes.response(200, schemas.USER)
@routes.refuses(400, 403, 404)
def read_user(user_id: UUID) -> dict[str, User]:
    """A user: oneself, or any for an administrator"""
    return {"user": users.read_user(user_id, reader=actor())}


@routes.route("/<user_id>/ledger", methods=["GET"])
@guard()
@routes.arguments(schemas.PageQuery(), location="query")
@routes.response(200, schemas.LEDGER)
@routes.refuses(403, 404)
def read_ledger(query: dict[str, int], user_id: UUID) -> dict[str, object]:
    """What came into and went out of a wallet, newest first"""
    page = users.read_ledger(user_id, reader=actor(), **query)
    return {"entries": page.items, "meta": page}


@routes.route("/<user_id>/credit", methods=["POST"])
@guard(role=Role.ADMINISTRATOR)
@routes.arguments(schemas.CreditChange())
@routes.response(200, schemas.CREDIT_CHANGED)
@routes.refuses(404)
def change_credit(body: dict[str, Any], user_id: UUID) -> CreditChanged:
    """Grant credit, or take it where the amount is negative"""
    return users.change_credit(user_id, **body, administrator_id=actor().id)
