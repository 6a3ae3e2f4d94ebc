"""What a mail says, and the bytes that a mail server is given of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

import flask_mail

from ... import config
from ...core import clock
from ...text import mailboxes

LONGEST_LINE = 998
INTERNATIONAL = "SMTPUTF8"

_ADDRESS = re.compile(r'[^\s@<>()\[\]\\",:;]+@[^\s@<>()\[\]\\",:;]+')


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one address.

    `headers` come on top of the usual ones. `message_id` is the outbox's: it stays the same however
    often the mail is sent.
    """

    to: str
    subject: str
    text: str
    html: str
    message_id: UUID
    headers: Mapping[str, str] = field(default_factory=dict)


def compose(mail: Mail) -> flask_mail.Message:
    """Return the mail as a message from the address that is set."""
    from_address = config.current().default_from_email
    # An address that isn't ASCII is for servers that can take it (RFC 6531), and then the whole
    # mail may be so.
    to = mailboxes.deliverable(mail.to)
    is_ascii = (to + parseaddr(from_address)[1]).isascii()
    message = flask_mail.Message(
        mail.subject,
        [to],
        body=mail.text,
        html=mail.html,
        sender=from_address,
        date=clock.now().timestamp(),
        # It keeps machines from answering.
        extra_headers={"Auto-Submitted": "auto-generated", **mail.headers},
        mail_options=[] if is_ascii else [INTERNATIONAL, "BODY=8BITMIME"],
    )
    message.msgId = f"<{mail.message_id}@{public_host()}>"
    return message


def envelope(message: flask_mail.Message) -> tuple[str, list[str]]:
    """Return the sender's address and the recipients' addresses."""
    return parseaddr(str(message.sender))[1], [str(to) for to in message.recipients]


def is_international(message: flask_mail.Message) -> bool:
    return INTERNATIONAL in message.mail_options


def as_bytes(message: flask_mail.Message) -> bytes:
    """Return the message as the standard library's newer half writes it.

    It is a pair of alternatives with nothing around it. Its headers can't be broken out of.

    Raises:
        ValueError: An address or a header could be read as more than one.
    """
    from_address, (to,) = envelope(message)
    policy = _Policy(linesep=SMTP.linesep, utf8=is_international(message))
    written = EmailMessage(policy)
    written["From"] = _address(from_address, parseaddr(str(message.sender))[0])
    written["To"] = _address(to)
    written["Subject"] = message.subject
    written["Date"] = format_datetime(datetime.fromtimestamp(message.date or 0, UTC))
    written["Message-ID"] = message.msgId
    for name, value in (message.extra_headers or {}).items():
        written[name] = value
    written.set_content(message.body or "")
    written.add_alternative(message.html or "", subtype="html")
    return written.as_bytes()


def public_host() -> str:
    """Return the host of PUBLIC_URL as it is written in a Message-ID."""
    host = str(urlsplit(config.current().public_url).hostname)
    try:
        return f"[IPv6:{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host if host.isascii() else host.encode("idna").decode()


class _Policy(EmailPolicy):
    """Fold no header that is ASCII and fits into a line of SMTP.

    Folding a URL that is longer than 78 characters makes encoded words of it, and no mail program
    reads those as a URL.
    """

    def fold(self, name: str, value: str) -> str:
        line = f"{name}: {value}"
        return line + self.linesep if _fits(line) else super().fold(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        line = f"{name}: {value}"
        return (line + self.linesep).encode() if _fits(line) else super().fold_binary(name, value)


def _fits(line: str) -> bool:
    return line.isascii() and len(line) <= LONGEST_LINE


def _address(address: str, name: str = "") -> Address:
    # Nothing in it may end it and begin another.
    if not address.isprintable() or not _ADDRESS.fullmatch(address):
        raise ValueError("not an address")
    local, _, domain = address.partition("@")
    return Address(name, local, domain)
