"""Sending a mail: to an SMTP server, or in development to the terminal and a mailbox on disk.

A feature writes its mails to the outbox. The handler of its topic composes them and calls `send`.
"""

import sys
from enum import StrEnum

import flask_mail
from flask import Flask, current_app

from ... import config
from ...db.session import before_waiting
from . import mailbox, outage, smtp
from . import message as messages
from .message import Mail
from .smtp import MailFailed


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

    A server that refused one recipient or one text has not failed.
    """
    return transport() is Transport.SMTP and outage.is_noted()


def send(mail: Mail) -> None:
    """Send the mail, outside any transaction, and note whether the server works.

    Raises:
        MailFailed: The mail was not accepted.
        ValueError: An address or a header could be read as more than one.
    """
    message = messages.compose(mail)
    # Written before anybody is spoken to: what can't be written is no failure of the server.
    written = messages.as_bytes(message)
    before_waiting()
    match transport():
        case Transport.SMTP:
            _send_to_the_server(message)
        case Transport.CONSOLE:
            _print(mail)
        case Transport.LOCAL:
            mailbox.keep(written)
            _print(mail)
        case Transport.NOWHERE:
            raise MailFailed("not_configured", tells_of_the_server=False)


def _send_to_the_server(message: flask_mail.Message) -> None:
    try:
        smtp.send(message)
    except MailFailed as failure:
        outage.note(failure.reason if failure.tells_of_the_server else None)
        raise
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    flask_mail.email_dispatched.send(app, message=message)
    outage.note(None)


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
