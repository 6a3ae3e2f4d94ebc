"""`/api/user`."""

from typing import Any
from uuid import UUID

from flask import current_app

from .. import config
from ..web.body import Routes
from ..web.guard import actor, guard
from . import schemas, user_service
from .antifraud.verdicts import Antifraud
from .business_routes import TOTAL
from .errors import PromoErrorSchema

routes: Routes = Routes(
    "promo-user",
    __name__,
    error_schema=PromoErrorSchema(),
    url_prefix="/api/user",
    description="Users and the promos they find",
)

DONE = {"status": "ok"}


@routes.route("/feed", methods=["GET"])
@guard()
@routes.arguments(schemas.FeedQuery(), location="query")
@routes.response(200, schemas.UserPromoSchema(many=True), headers=TOTAL)
def read_feed(query: dict[str, Any]) -> Any:
    """The promos that are meant for the user, newest first"""
    promos, total = user_service.read_feed(
        actor(), **query, timezone=config.current().promo_timezone
    )
    return promos, 200, {"X-Total-Count": str(total)}


@routes.route("/promo/history", methods=["GET"])
@guard()
@routes.arguments(schemas.OffsetQuery(), location="query")
@routes.response(200, schemas.UserPromoSchema(many=True), headers=TOTAL)
def read_history(query: dict[str, Any]) -> Any:
    """What the user activated, one entry an activation, latest first"""
    promos, total = user_service.read_history(
        actor().id, **query, timezone=config.current().promo_timezone
    )
    return promos, 200, {"X-Total-Count": str(total)}


@routes.route("/promo/<promo_id>", methods=["GET"])
@guard()
@routes.response(200, schemas.UserPromoSchema())
@routes.refuses(400, 404)
def read_promo(promo_id: UUID) -> dict[str, Any]:
    """A promo, whatever its targeting"""
    return user_service.read(actor().id, promo_id, timezone=config.current().promo_timezone)


@routes.route("/promo/<promo_id>/like", methods=["POST"])
@guard()
@routes.response(200, schemas.DoneSchema())
@routes.refuses(404)
def like(promo_id: UUID) -> dict[str, str]:
    """Like a promo; a user counts once"""
    user_service.like(actor().id, promo_id)
    return DONE


@routes.route("/promo/<promo_id>/like", methods=["DELETE"])
@guard()
@routes.response(200, schemas.DoneSchema())
@routes.refuses(404)
def unlike(promo_id: UUID) -> dict[str, str]:
    """Take the like back"""
    user_service.unlike(actor().id, promo_id)
    return DONE


@routes.route("/promo/<promo_id>/comments", methods=["POST"])
@guard()
@routes.arguments(schemas.NewComment())
@routes.response(201, schemas.CommentSchema())
@routes.refuses(404)
def comment(body: dict[str, str], promo_id: UUID) -> Any:
    """Comment on a promo"""
    return user_service.comment(actor().id, promo_id, body["text"])


@routes.route("/promo/<promo_id>/comments", methods=["GET"])
@guard()
@routes.arguments(schemas.OffsetQuery(), location="query")
@routes.response(200, schemas.CommentSchema(many=True), headers=TOTAL)
@routes.refuses(404)
def list_comments(query: dict[str, Any], promo_id: UUID) -> Any:
    """A promo's comments, newest first"""
    comments, total = user_service.list_comments(promo_id, **query)
    return comments, 200, {"X-Total-Count": str(total)}


@routes.route("/promo/<promo_id>/comments/<comment_id>", methods=["GET"])
@guard()
@routes.response(200, schemas.CommentSchema())
@routes.refuses(400, 404)
def read_comment(promo_id: UUID, comment_id: UUID) -> Any:
    """A comment"""
    return user_service.read_comment(promo_id, comment_id)


@routes.route("/promo/<promo_id>/comments/<comment_id>", methods=["PUT"])
@guard()
@routes.arguments(schemas.NewComment())
@routes.response(200, schemas.CommentSchema())
@routes.refuses(403, 404)
def edit_comment(body: dict[str, str], promo_id: UUID, comment_id: UUID) -> Any:
    """Change one's own comment; its date and place stay"""
    return user_service.edit_comment(actor().id, promo_id, comment_id, body["text"])


@routes.route("/promo/<promo_id>/comments/<comment_id>", methods=["DELETE"])
@guard()
@routes.response(200, schemas.DoneSchema())
@routes.refuses(403, 404)
def delete_comment(promo_id: UUID, comment_id: UUID) -> dict[str, str]:
    """Delete one's own comment"""
    user_service.delete_comment(actor().id, promo_id, comment_id)
    return DONE


@routes.route("/promo/<promo_id>/activate", methods=["POST"])
@guard()
@routes.response(200, schemas.ActivationSchema())
@routes.refuses(403, 404)
def activate(promo_id: UUID) -> dict[str, str]:
    """Activate a promo and get its code"""
    antifraud: Antifraud = current_app.extensions["antifraud"]
    return {
        "promo": user_service.activate(
            actor(), promo_id, antifraud=antifraud, timezone=config.current().promo_timezone
        )
    }
