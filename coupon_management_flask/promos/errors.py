"""What the promo contract refuses, and how it tells its clients.

Its body is also what a path under no contract answers.
"""

import marshmallow as ma

from ..core import errors
from ..web.contract import Problem


class PromoNotFound(errors.NotFound):
    name = "promo_not_found"


class CommentNotFound(errors.NotFound):
    name = "comment_not_found"


class NotYourPromo(errors.Forbidden):
    name = "not_your_promo"


class NotYourComment(errors.Forbidden):
    name = "not_your_comment"


class PromoInactive(errors.Refused):
    name = "promo_inactive"


class PromoNotTargeted(errors.Refused):
    name = "promo_not_targeted"


class AntifraudRefused(errors.Refused):
    name = "antifraud_refused"


class MaxCountTooLow(errors.Refused):
    name = "max_count_too_low"


# A promo that can't be activated is forbidden here, whatever the rule.
STATUSES: dict[type[errors.DomainError], int] = {
    PromoInactive: 403,
    PromoNotTargeted: 403,
    AntifraudRefused: 403,
}

MESSAGES = {
    "promo_not_found": "There is no such promo.",
    "comment_not_found": "There is no such comment on this promo.",
    "not_your_promo": "This promo belongs to another company.",
    "not_your_comment": "Somebody else wrote this comment.",
    "promo_inactive": "This promo can't be activated now.",
    "promo_not_targeted": "This promo is meant for others.",
    "antifraud_refused": "This activation was refused.",
    "max_count_too_low": "max_count is below the number of activations so far.",
    "email_taken": "This e-mail address is registered already.",
    "wrong_credentials": "Wrong e-mail address or password.",
}


class PromoErrorSchema(ma.Schema):
    status = ma.fields.String(required=True, metadata={"enum": ["error"]})
    message = ma.fields.String(required=True)
    error_code = ma.fields.String(required=True)


def render_error(problem: Problem) -> dict[str, object]:
    return {"status": "error", "message": problem.sentence(), "error_code": problem.error_code}
