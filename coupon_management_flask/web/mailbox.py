"""`/dev/mailbox`: the mails that development keeps instead of sending them."""

from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from flask import Blueprint, render_template

from ..core import errors
from ..messaging.mail import mailbox
from ..text import readable

PREVIEW = 200

pages = Blueprint("mailbox", __name__, template_folder="templates", url_prefix="/dev/mailbox")


@pages.get("")
def show_list() -> str:
    return render_template(
        "mailbox.html", mails=[(one.key, _shown(one.message)) for one in mailbox.kept()]
    )


@pages.get("/<key>")
def show_one(key: str) -> str:
    message = mailbox.find(key)
    if message is None:
        raise errors.NotFound
    return render_template(
        "mailbox_mail.html",
        mail=_shown(message),
        headers=message.items(),
        text=_part(message, "plain"),
        html=_part(message, "html"),
    )


def _shown(message: EmailMessage) -> dict[str, str]:
    return {
        "to": readable.address(str(message["To"])),
        "subject": str(message["Subject"]),
        "preview": " ".join(_part(message, "plain").split())[:PREVIEW],
        "date": parsedate_to_datetime(str(message["Date"])).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }


def _part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    return str(part.get_content()) if part is not None else ""
