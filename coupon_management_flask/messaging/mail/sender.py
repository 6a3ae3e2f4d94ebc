"""Sending a mail: to an SMTP server, or in development to the terminal and a mailbox on disk.

A feature writes its mails to the outbox. The handler of its topic composes them and calls `send`.
"""

import sys
from enum import StrEnum

import flask_mail
from flask import Flask, current_app

from ... import config
from ...db.session import before_waiting
from .. import outbox
from . import mailbox, outage, smtp
from . import message as messages
from .message import Mail
from .smtp import Fault, MailFailed, MailRefused


class NotWritable(outbox.Refused, ValueError):
    """An address or a header could be read as more than one. It will be the next time too."""

    reason = "not_writable"


class Transport(StrEnum):
    """Where mails go. `LOCAL` is the terminal and the mailbox on disk."""

    SMTP = "smtp"
    CONSOLE = "console"
    LOCAL = "local"
    NOWHERE = ""


def transport() -> Transport:
    """Return where mails go by the settings."""
    settings = config.current()
    if settings.email_backend == "console":
        return Transport.CONSOLE
    if settings.email_host:
        return Transport.SMTP
    if settings.is_production or settings.email_backend == "smtp":
        return Transport.NOWHERE
    return Transport.LOCAL


def is_configured() -> bool:
    return transport() is not Transport.NOWHERE


def is_failing() -> bool:
    """Return whether the server failed, for whichever process, when a mail was last sent.

    A server that refused one recipient or one text has not failed, one that refuses everybody's
    mail has.
    """
    return transport() is Transport.SMTP and outage.is_noted()


def send(mail: Mail) -> None:
    """Send the mail, outside any transaction, and note whether the server works.

    Raises:
        MailRefused: The server will never accept it. It is the recipient's fault or the text's.
        MailFailed: It was not accepted this time.
        NotWritable: An address or a header could be read as more than one.
    """
    message = messages.compose(mail)
    try:
        # Written before anybody is spoken to: what can't be written is no failure of the server.
        written = messages.as_bytes(message)
    except ValueError as error:
        raise NotWritable(str(error)) from error
    before_waiting()
    match transport():
        case Transport.SMTP:
            _send_to_the_server(message, mail.to)
        case Transport.CONSOLE:
            _print(mail)
        case Transport.LOCAL:
            mailbox.keep(written)
            _print(mail)
        case Transport.NOWHERE:
            raise MailFailed("not_configured", Fault.NOBODY)


def _send_to_the_server(message: flask_mail.Message, recipient: str) -> None:
    try:
        smtp.send(message)
    except MailFailed as failure:
        if _is_final(failure, recipient):
            raise MailRefused(failure.reason, failure.fault) from None
        raise
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    flask_mail.email_dispatched.send(app, message=message)
    outage.note_acceptance()


def _is_final(failure: MailFailed, recipient: str) -> bool:
    """Return whether a mail need not be tried for long, and note what it says of the server.

    Where the server refuses everybody, the mail is tried for as long as in any outage: it is
    accepted once the server knows our sender.
    """
    match failure.fault:
        case Fault.SERVER:
            outage.note_failure(failure.reason)
            return False
        case Fault.SOMEBODY:
            return not outage.note_refusal(recipient, failure.reason)
        case Fault.RECIPIENT | Fault.NOBODY:
            outage.note_answer()
            return failure.fault is Fault.RECIPIENT


def _print(mail: Mail) -> None:
    # For the person at the terminal, never for the log.
    sys.stdout.write(f"\n--- Mail to {mail.to}: {mail.subject}\n\n{mail.text}\n---\n")
    sys.stdout.flush()


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
