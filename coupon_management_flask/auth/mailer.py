"""The mail with a link to a new password."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import render_template

from .. import config
from ..identity import accounts
from ..messaging.mail import sender
from ..models import new_id

TOPIC = "password_reset"
PAGE = "/reset-password"


def deliver(_message_id: UUID, payload: dict[str, Any]) -> None:
    """Mails the user of the payload's `email` a link; nobody, where there is no such user."""
    link = accounts.open_password_reset(payload["email"])
    if link is None:
        return
    url = f"{config.current().public_url.rstrip('/')}{PAGE}?token={quote(link.token)}"
    minutes = round(accounts.RESET_LIFETIME.total_seconds() / 60)
    sender.send(
        sender.Mail(
            to=link.email,
            subject="Choose a new password",
            text=render_template("auth/password_reset_mail.txt", url=url, minutes=minutes),
            html=render_template("auth/password_reset_mail.html", url=url, minutes=minutes),
            # Each try has a link of its own, and the last one is valid: a mail program must not take it for the first.
            message_id=new_id(),
        )
    )
