"""The mail with a link to a new password."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import render_template

from .. import config
from ..identity import password_reset
from ..messaging.mail import sender
from ..models import new_id

TOPIC = "password_reset"
PAGE = "/reset-password"


def deliver(_message_id: UUID, payload: dict[str, Any]) -> None:
    """Mail a link to the user of the payload's `email`, if there is one."""
    link = password_reset.open_link(payload["email"])
    if link is None:
        return
    url = config.current().link_to(f"{PAGE}?token={quote(link.token)}")
    minutes = round(password_reset.LIFETIME.total_seconds() / 60)
    sender.send(
        sender.Mail(
            to=link.email,
            subject="Choose a new password",
            text=render_template("auth/password_reset_mail.txt", url=url, minutes=minutes),
            html=render_template("auth/password_reset_mail.html", url=url, minutes=minutes),
            # Each try opens a link of its own, and only the last one is valid. With the same id, a
            # mail program could drop the second mail as a copy of the first.
            message_id=new_id(),
        )
    )
