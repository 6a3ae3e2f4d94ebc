"""`/api/user`."""

from typing import Any
from uuid import UUID

from flask import current_app

from .. import config
from ..web.body import Routes
from ..web.guard import actor, guard
from ..web.rates import limit_comments
from . import schemas
from .antifraud.check import Antifraud
from .described import USER
from .errors import PromoErrorSchema
from .lists import TOTAL, with_total
from .user import activate, browse, comments, likes
from .user.browse import SeenPromo
from .user.comments import Comment

routes: Routes = Routes(
    "promo-user",
    __name__,
    error_schema=PromoErrorSchema(),
    described=USER,
    url_prefix="/api/user",
    description="Users and the promos they find",
)

DONE = {"status": "ok"}


@routes.route("/feed", methods=["GET"])
@guard()
@routes.arguments(schemas.FeedQuery(), location="query")
@routes.response(200, schemas.UserPromoSchema(many=True), headers=TOTAL)
def read_feed(query: dict[str, Any]) -> tuple[list[SeenPromo], int, dict[str, str]]:
    """The promos that are meant for the user, newest first"""
    page = browse.read_feed(actor(), **query, timezone=config.current().promo_timezone)
    return with_total(page.promos, page.total)


@routes.route("/promo/history", methods=["GET"])
@guard()
@routes.arguments(schemas.OffsetQuery(), location="query")
@routes.response(200, schemas.UserPromoSchema(many=True), headers=TOTAL)
def read_history(query: dict[str, int]) -> tuple[list[SeenPromo], int, dict[str, str]]:
    """What the user activated, one entry an activation, latest first"""
    page = browse.read_history(actor().id, **query, timezone=config.current().promo_timezone)
    return with_total(page.promos, page.total)


@routes.route("/promo/<promo_id>", methods=["GET"])
@guard()
@routes.response(200, schemas.UserPromoSchema())
@routes.refuses(400, 404)
def read_promo(promo_id: UUID) -> SeenPromo:
    """A promo, whatever its targeting"""
    return browse.read(actor().id, promo_id, timezone=config.current().promo_timezone)


@routes.route("/promo/<promo_id>/like", methods=["POST"])
@guard()
@routes.response(200, schemas.DoneSchema())
@routes.refuses(404)
def like(promo_id: UUID) -> dict[str, str]:
    """Like a promo; a user counts once"""
    likes.like(actor().id, promo_id)
    return DONE


@routes.route("/promo/<promo_id>/like", methods=["DELETE"])
@guard()
@routes.response(200, schemas.DoneSchema())
@routes.refuses(404)
def unlike(promo_id: UUID) -> dict[str, str]:
    """Take the like back"""
    likes.unlike(actor().id, promo_id)
    return DONE


@routes.route("/promo/<promo_id>/comments", methods=["POST"])
@guard()
@limit_comments
@routes.arguments(schemas.NewComment())
@routes.response(201, schemas.CommentSchema())
@routes.refuses(404)
def comment(body: dict[str, str], promo_id: UUID) -> Comment:
    """Comment on a promo"""
    return comments.comment(actor().id, promo_id, body["text"])


@routes.route("/promo/<promo_id>/comments", methods=["GET"])
@guard()
@routes.arguments(schemas.OffsetQuery(), location="query")
@routes.response(200, schemas.CommentSchema(many=True), headers=TOTAL)
@routes.refuses(404)
def list_comments(
    query: dict[str, int], promo_id: UUID
) -> tuple[list[Comment], int, dict[str, str]]:
    """A promo's comments, newest first"""
    page = comments.list_comments(promo_id, **query)
    return with_total(page.comments, page.total)


@routes.route("/promo/<promo_id>/comments/<comment_id>", methods=["GET"])
@guard()
@routes.response(200, schemas.CommentSchema())
@routes.refuses(400, 404)
def read_comment(promo_id: UUID, comment_id: UUID) -> Comment:
    """A comment"""
    return comments.read_comment(promo_id, comment_id)


@routes.route("/promo/<promo_id>/comments/<comment_id>", methods=["PUT"])
@guard()
@routes.arguments(schemas.NewComment())
@routes.response(200, schemas.CommentSchema())
@routes.refuses(403, 404)
def edit_comment(body: dict[str, str], promo_id: UUID, comment_id: UUID) -> Comment:
    """Change one's own comment; its date and place stay"""
    return comments.edit_comment(actor().id, promo_id, comment_id, body["text"])


@routes.route("/promo/<promo_id>/comments/<comment_id>", methods=["DELETE"])
@guard()
@routes.response(200, schemas.DoneSchema())
@routes.refuses(403, 404)
def delete_comment(promo_id: UUID, comment_id: UUID) -> dict[str, str]:
    """Delete one's own comment"""
    comments.delete_comment(actor().id, promo_id, comment_id)
    return DONE


@routes.route("/promo/<promo_id>/activate", methods=["POST"])
@guard()
@routes.response(200, schemas.ActivationSchema())
@routes.refuses(403, 404)
def activate_promo(promo_id: UUID) -> dict[str, str]:
    """Activate a promo and get its code"""
    antifraud: Antifraud = current_app.extensions["antifraud"]
    timezone = config.current().promo_timezone
    return {"promo": activate.activate(actor(), promo_id, antifraud=antifraud, timezone=timezone)}
