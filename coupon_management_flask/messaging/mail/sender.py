"""Mails, on their way out of the outbox: to an SMTP server, through Flask-Mail, or in development to the terminal and a mailbox on disk.

A feature writes its mails to the outbox, and the handler of that topic composes them and calls `send`.
"""

import mailbox
import re
import smtplib
import ssl
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy, default
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import flask_mail
import sqlalchemy as sa
import structlog
from flask import Flask, current_app

from ... import config
from ...core import clock
from ...db.dialects import upsert
from ...db.session import before_waiting, db, transaction
from ...models import Outage

OUTAGE = "mail"
# Until the mail's end is sent nothing was accepted, and another try can't make a second mail of it: no step may take longer.
STEP_SECONDS = 15.0
# After it the server may have taken the mail, and giving up would send it twice. RFC 5321, 4.5.3.2.6 says ten minutes.
ACCEPTANCE_SECONDS = 600.0
# What it says to our goodbye changes nothing.
GOODBYE_SECONDS = 1.0
MAILBOX_KEEPS = 200

LONGEST_LINE = 998
_IS_FAILING = sa.select(sa.exists().where(Outage.name == OUTAGE))
_END_OF_MAIL = b"\r\n.\r\n"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one address. `headers` come on top of the usual ones; `message_id` is the outbox's, and stays the same however often it is sent."""

    to: str
    subject: str
    text: str
    html: str
    message_id: UUID
    headers: Mapping[str, str] = field(default_factory=dict)


class MailFailed(Exception):
    """Says in a word or two why, and never to whom; `tells_of_the_server` where any other mail would have met the same."""

    def __init__(self, reason: str, *, tells_of_the_server: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tells_of_the_server = tells_of_the_server


def transport() -> str:
    """Where mails go: `smtp`, `console`, `local` (the terminal and the mailbox on disk), or nowhere, which is empty."""
    settings = config.current()
    if settings.email_backend == "console":
        return "console"
    if settings.email_host:
        return "smtp"
    return "" if settings.is_production or settings.email_backend == "smtp" else "local"


def is_configured() -> bool:
    return transport() != ""


def is_failing() -> bool:
    """Whether the server could not be reached, or would not work for us, when a mail was last sent, by whichever process."""
    return transport() == "smtp" and bool(db.session.scalar(_IS_FAILING))


def send(mail: Mail) -> None:
    """Sends it, outside any transaction. Raises MailFailed where it was not accepted, and notes whether the server can be reached at all.

    Raises ValueError where an address or a header could be read as more than one.
    """
    message = _Message(mail)
    # Before anybody is spoken to: what can't be written is no failure of the server's.
    message.as_bytes()
    before_waiting()
    where = transport()
    if where == "smtp":
        _send_to_the_server(message)
    elif where:
        if where == "local":
            _keep(message.as_bytes())
        _print(mail)
    else:
        raise MailFailed("not_configured", tells_of_the_server=False)


class _Policy(EmailPolicy):
    """Folds only what isn't ASCII: of a URL that is longer than a line, folding makes encoded words, and no mail program reads those as a URL."""

    def fold(self, name: str, value: str) -> str:
        line = f"{name}: {value}"
        return (
            line + self.linesep
            if line.isascii() and len(line) <= LONGEST_LINE
            else super().fold(name, value)
        )

    def fold_binary(self, name: str, value: str) -> bytes:
        line = f"{name}: {value}"
        return (
            (line + self.linesep).encode()
            if line.isascii() and len(line) <= LONGEST_LINE
            else super().fold_binary(name, value)
        )


class _Message(flask_mail.Message):
    """Flask-Mail's, written by the standard library's newer half: a pair of alternatives and nothing around it, headers that can't be broken out of."""

    def __init__(self, mail: Mail) -> None:
        # An address that isn't ASCII is for servers that say they can take it (RFC 6531), as all of the mail then is.
        self.envelope_from = parseaddr(config.current().default_from_email)[1]
        self.is_international = not (mail.to + self.envelope_from).isascii()
        super().__init__(
            mail.subject,
            [mail.to],
            body=mail.text,
            html=mail.html,
            date=clock.now().timestamp(),
            extra_headers=dict(mail.headers),
            mail_options=["SMTPUTF8", "BODY=8BITMIME"] if self.is_international else [],
        )
        self.msgId = f"<{mail.message_id}@{_public_host()}>"

    def _message(self) -> Any:
        message = EmailMessage(_Policy(linesep=SMTP.linesep, utf8=self.is_international))
        name, sender = parseaddr(str(self.sender))
        message["From"] = _address(sender, name)
        message["To"] = _address(str(self.recipients[0]))
        message["Subject"] = self.subject
        message["Date"] = format_datetime(clock.now())
        message["Message-ID"] = self.msgId
        # No answering machine need answer it.
        message["Auto-Submitted"] = "auto-generated"
        for name, value in (self.extra_headers or {}).items():
            message[name] = value
        message.set_content(self.body)
        message.add_alternative(self.html, subtype="html")
        return message


def _address(address: str, name: str = "") -> Address:
    # Nothing that could end it and begin another.
    if not address.isprintable() or not re.fullmatch(
        r'[^\s@<>()\[\]\\",:;]+@[^\s@<>()\[\]\\",:;]+', address
    ):
        raise ValueError("not an address")
    local, _, domain = address.partition("@")
    return Address(name, local, domain)


def _public_host() -> str:
    host = str(urlsplit(config.current().public_url).hostname)
    try:
        return f"[IPv6:{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host if host.isascii() else host.encode("idna").decode()


def _send_to_the_server(message: _Message) -> None:
    try:
        with _Connection(current_app.extensions["mail"]) as connection:
            connection.send(message)
    except (OSError, UnicodeError, MailFailed) as error:
        failure = (
            error
            if isinstance(error, MailFailed)
            else MailFailed(_reason(error), tells_of_the_server=_tells_of_the_server(error))
        )
        _note_outage(failure.reason if failure.tells_of_the_server else None)
        # Not `from error`: its text holds the address.
        raise failure from None
    _note_outage(None)


class _Connection(flask_mail.Connection):
    """Flask-Mail's, with an end to its patience, with certificates that are verified, and with a refused goodbye being no failure."""

    host: "_Client | None"

    def configure_host(self) -> "_Client":
        tls = ssl.create_default_context()
        client: _Client = (
            _TlsClient(
                self.mail.server,
                self.mail.port,
                _name_for_greeting(),
                timeout=STEP_SECONDS,
                context=tls,
            )
            if self.mail.use_ssl
            else _Client(
                self.mail.server, self.mail.port, _name_for_greeting(), timeout=STEP_SECONDS
            )
        )
        try:
            if self.mail.use_tls:
                # Raises where it isn't offered.
                client.starttls(context=tls)
            if self.mail.username:
                client.login(self.mail.username, self.mail.password or "")
        except BaseException:
            client.close()
            raise
        return client

    def send(self, message: flask_mail.Message, envelope_from: Any = None) -> None:
        assert isinstance(message, _Message)
        assert self.host is not None
        if message.is_international:
            self.host.ehlo_or_helo_if_needed()
            if not self.host.has_extn("smtputf8"):
                raise MailFailed("smtputf8_not_supported", tells_of_the_server=False)
        self.host.sendmail(
            message.envelope_from,
            [str(to) for to in message.recipients],
            message.as_bytes(),
            message.mail_options,
        )
        flask_mail.email_dispatched.send(current_app._get_current_object(), message=message)  # type: ignore[attr-defined]

    def __exit__(self, exc_type: Any, exc_value: Any, tb: Any) -> None:
        if self.host is not None:
            if exc_type is None:
                with suppress(OSError):
                    self.host.say_goodbye()
            self.host.close()


class _Client(smtplib.SMTP):
    """Waits long for one answer alone: whether the mail was accepted."""

    def send(self, s: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(STEP_SECONDS)
        super().send(s)
        if isinstance(s, bytes) and s.endswith(_END_OF_MAIL) and self.sock is not None:
            self.sock.settimeout(ACCEPTANCE_SECONDS)

    def say_goodbye(self) -> None:
        self.putcmd("quit")
        if self.sock is not None:
            self.sock.settimeout(GOODBYE_SECONDS)
        self.getreply()


class _TlsClient(_Client, smtplib.SMTP_SSL):
    pass


def _name_for_greeting() -> str:
    # Asking the machine for its full name may ask name servers, and may take as long as they do.
    host = _public_host()
    try:
        return f"[{ip_address(host)}]"
    except ValueError:
        return host


def _reason(error: Exception) -> str:
    code = _code(error)
    # To smtplib whatever ends a connection is the same.
    told = (
        error.__context__
        if isinstance(error, smtplib.SMTPServerDisconnected)
        and isinstance(error.__context__, OSError)
        else error
    )
    return type(told).__name__ + (f" {code}" if code else "")


def _code(error: Exception) -> int | None:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return int(next(iter(error.recipients.values()))[0])
    return int(error.smtp_code) if isinstance(error, smtplib.SMTPResponseException) else None


def _tells_of_the_server(error: Exception) -> bool:
    """Whether another mail would have failed too: all but what it says to this recipient and to this text."""
    code = _code(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return code == 421
    if isinstance(error, smtplib.SMTPDataError):
        return code is not None and code < 500
    return True


def _note_outage(failure: str | None) -> None:
    """Notes that the server failed for this reason, or that it did not."""
    try:
        is_noted = db.session.scalar(_IS_FAILING)
        if failure is not None and not is_noted:
            with transaction():
                db.session.execute(
                    upsert(Outage)
                    .values(name=OUTAGE, since=clock.now(), error=failure)
                    .on_conflict_do_nothing()
                )
            log.error("mail.outage", error=failure)
        elif failure is None and is_noted:
            with transaction():
                db.session.execute(sa.delete(Outage).where(Outage.name == OUTAGE))
            log.info("mail.outage_over")
    except sa.exc.SQLAlchemyError as error:
        # What became of the mail is certain, and must not be told otherwise.
        log.warning("mail.outage_not_noted", error=type(error).__name__)
    finally:
        db.session.remove()


def _print(mail: Mail) -> None:
    # For whoever sits at the terminal, never for the log.
    sys.stdout.write(f"\n--- Mail to {mail.to}: {mail.subject}\n\n{mail.text}\n---\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail of the mailbox on disk, and the key by which it is found again."""

    key: str
    message: EmailMessage


def kept() -> list[Kept]:
    """The mails of the mailbox on disk, newest first."""
    found = []
    for path in _newest_first(_box()):
        # Another process may just have deleted it.
        with suppress(FileNotFoundError):
            found.append(Kept(path.name, message_from_bytes(path.read_bytes(), policy=default)))
    return found


def find_kept(key: str) -> EmailMessage | None:
    """The mail of the mailbox on disk that has this key, if it is there (any more)."""
    try:
        return message_from_bytes(_box().get_bytes(key), policy=default)
    except (KeyError, FileNotFoundError):
        return None


def _keep(written: bytes) -> None:
    box = _box()
    box.add(written)
    for path in _newest_first(box)[MAILBOX_KEEPS:]:
        box.discard(path.name)


def _box() -> mailbox.Maildir:
    # The library's own way is not for two who make it at one moment.
    for name in ("tmp", "new", "cur"):
        (_folder() / name).mkdir(parents=True, exist_ok=True)
    return mailbox.Maildir(_folder())


def _folder() -> Path:
    return Path(current_app.instance_path) / "mailbox"


def _newest_first(box: mailbox.Maildir) -> list[Path]:
    ages = {}
    for key in box.iterkeys():
        path = _folder() / "new" / key
        with suppress(FileNotFoundError):
            ages[path] = path.stat().st_mtime_ns
    return sorted(ages, key=lambda path: (ages[path], path.name), reverse=True)


def init_app(app: Flask, settings: config.Settings) -> None:
    is_tls_from_the_start = settings.email_port == 465
    app.config.update(
        MAIL_SERVER=settings.email_host,
        MAIL_PORT=settings.email_port,
        MAIL_USE_SSL=is_tls_from_the_start,
        MAIL_USE_TLS=settings.email_use_tls and not is_tls_from_the_start,
        MAIL_USERNAME=settings.email_host_user,
        MAIL_PASSWORD=settings.email_host_password,
        MAIL_DEFAULT_SENDER=settings.default_from_email,
        # It would print what is said, passwords and all.
        MAIL_DEBUG=False,
        MAIL_SUPPRESS_SEND=False,
    )
    flask_mail.Mail(app)
