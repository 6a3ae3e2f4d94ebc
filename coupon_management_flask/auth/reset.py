"""Use cases of a forgotten password."""

from ..core import errors
from ..db.session import transaction
from ..identity import password_reset
from ..messaging import outbox
from . import reset_mail


def ask_for_reset(email: str) -> None:
    """Have a link to a new password mailed to the user of that address.

    Whether there is one is looked up when the mail is sent, so that the caller can't tell.
    """
    with transaction():
        outbox.write(reset_mail.TOPIC, {"email": email})


def reset_password(token: str, password: str) -> None:
    """Set a new password by the token of a link, which is spent. All sessions end.

    Raises: Invalid for a token that is not valid, or no longer.
    """
    try:
        password_reset.reset_password(token, password)
    except errors.InvalidToken as error:
        raise errors.Invalid(
            {"token": ["This link is not valid any more. Ask for a new one."]}
        ) from error
