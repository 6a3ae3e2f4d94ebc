"""What the API description says of promos, to companies and to users."""

from ..web.operations import Described, Operations
from .errors import (
    AntifraudRefused,
    CommentNotFound,
    MaxCountTooLow,
    NotYourComment,
    NotYourPromo,
    PromoInactive,
    PromoNotFound,
    PromoNotTargeted,
)

_PROMO = {"promo_id": "019aa6f0-0000-7000-8000-0000000000b1"}
_COMMENT = {**_PROMO, "comment_id": "019aa6f0-0000-7000-8000-0000000000b2"}
_PROMO_OF_YOURS = "the id of a promo that is there, such as `publish_promo` gives"
_COMMENT_OF_YOURS = "the ids of a promo and a comment on it, such as `comment_on_promo` gives"
_PAGE = {"limit": 10, "offset": 0}
_TEXT = {"text": "Better than any tea that I know."}

BUSINESS: Operations = {
    "ping": Described(),
    "publish_promo": Described(
        more="A `COMMON` promo gives one value `max_count` times, a `UNIQUE` one each of its "
        "values once.",
        body={
            "description": "A tenth off every tea",
            "target": {"age_from": 18, "country": "GB", "categories": ["tea"]},
            "max_count": 100,
            "mode": "COMMON",
            "promo_common": "tea-10",
        },
    ),
    "list_own": Described(
        "list_own_promos", query={**_PAGE, "sort_by": "active_from", "country": ["gb", "us"]}
    ),
    "read": Described(
        "read_own_promo",
        refuses=(PromoNotFound, NotYourPromo),
        path=_PROMO,
        needs=_PROMO_OF_YOURS,
    ),
    "change_promo": Described(
        refuses=(PromoNotFound, NotYourPromo, MaxCountTooLow),
        more="A `target` replaces the whole target. `null` takes `image_url` or a date away.",
        path=_PROMO,
        body={"description": "A fifth off every tea", "max_count": 200},
        needs=_PROMO_OF_YOURS,
    ),
    "read_statistics": Described(
        "read_promo_statistics",
        refuses=(PromoNotFound, NotYourPromo),
        path=_PROMO,
        needs=_PROMO_OF_YOURS,
    ),
}

USER: Operations = {
    "read_feed": Described(query={**_PAGE, "category": "tea", "active": True}),
    "read_history": Described("read_activation_history", query=_PAGE),
    "read_promo": Described(refuses=(PromoNotFound,), path=_PROMO, needs=_PROMO_OF_YOURS),
    "like": Described("like_promo", refuses=(PromoNotFound,), path=_PROMO, needs=_PROMO_OF_YOURS),
    "unlike": Described(
        "unlike_promo", refuses=(PromoNotFound,), path=_PROMO, needs=_PROMO_OF_YOURS
    ),
    "comment": Described(
        "comment_on_promo",
        refuses=(PromoNotFound,),
        path=_PROMO,
        body=_TEXT,
        needs=_PROMO_OF_YOURS,
    ),
    "list_comments": Described(
        refuses=(PromoNotFound,), path=_PROMO, query=_PAGE, needs=_PROMO_OF_YOURS
    ),
    "read_comment": Described(
        refuses=(PromoNotFound, CommentNotFound), path=_COMMENT, needs=_COMMENT_OF_YOURS
    ),
    "edit_comment": Described(
        refuses=(PromoNotFound, CommentNotFound, NotYourComment),
        path=_COMMENT,
        body=_TEXT,
        needs=_COMMENT_OF_YOURS,
    ),
    "delete_comment": Described(
        refuses=(PromoNotFound, CommentNotFound, NotYourComment),
        path=_COMMENT,
        needs=_COMMENT_OF_YOURS,
    ),
    "activate_promo": Described(
        refuses=(PromoNotFound, PromoInactive, PromoNotTargeted, AntifraudRefused),
        path=_PROMO,
        needs=_PROMO_OF_YOURS,
    ),
}
