"""The sender: a Flask-Mail message to the SMTP server that is set (docs/decisions/0018)."""

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from ipaddress import ip_address

import flask_mail
from flask import current_app

from .. import outbox
from . import message as messages

# Until the end of the mail is sent the server has accepted nothing, and another try can't make a
# second mail of it. So no step before it may take longer.
STEP_SECONDS = 15.0
# After the end the server may have taken the mail, and giving up would send it twice. RFC 5321,
# 4.5.3.2.6 says ten minutes.
ACCEPTANCE_SECONDS = 600.0
# What the server says to our goodbye changes nothing.
GOODBYE_SECONDS = 1.0

_END_OF_MAIL = b"\r\n.\r\n"
CLOSING = 421
# Who asks for a login, or says that it is wrong, has not looked at the recipient.
_LOGIN_CODES = (530, 535)
# Enhanced status codes (RFC 3463): whose fault it is.
_ENHANCED = re.compile(rb"5\.(\d{1,3}\.\d{1,3})\b")
_SENDERS = re.compile(r"1\.[78]")
_MAILBOXES = re.compile(r"1\.(?:[1-6]|10)|2\.\d+")


class Fault(Enum):
    """Whose fault it is that a mail was not accepted.

    The server's, where any other mail would meet the same. The recipient's, where theirs will never
    be accepted. Of somebody's, where it never will be and the server does not say whose fault that
    is. Of nobody's, where it may be accepted later.
    """

    SERVER = auto()
    RECIPIENT = auto()
    SOMEBODY = auto()
    NOBODY = auto()


class MailFailed(Exception):
    """A mail was not accepted. `reason` says why in a word or two, and never names a person."""

    def __init__(self, reason: str, fault: Fault) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fault = fault


class MailRefused(MailFailed, outbox.Refused):
    """A mail is never accepted, and others are."""


def send(message: flask_mail.Message) -> None:
    """Send the message over a connection of its own.

    Raises:
        MailFailed: The server could not be reached, or did not accept the message.
    """
    try:
        with _connected() as client:
            _hand_over(client, message)
    except (OSError, UnicodeError) as error:
        # Not `from error`: its text holds the address.
        raise MailFailed(_reason(error), _fault(error)) from None


def _hand_over(client: "_Client", message: flask_mail.Message) -> None:
    if messages.is_international(message):
        client.ehlo_or_helo_if_needed()
        if not client.has_extn("smtputf8"):
            raise MailFailed("smtputf8_not_supported", Fault.RECIPIENT)
    from_address, to = messages.envelope(message)
    client.sendmail(from_address, to, messages.as_bytes(message), message.mail_options)


@contextmanager
def _connected() -> Iterator["_Client"]:
    """Connect as Flask-Mail's settings say, with certificates that are verified."""
    mail = current_app.extensions["mail"]
    tls = ssl.create_default_context()
    server = (mail.server, mail.port, _name_for_greeting())
    client = (
        _TlsClient(*server, timeout=STEP_SECONDS, context=tls)
        if mail.use_ssl
        else _Client(*server, timeout=STEP_SECONDS)
    )
    try:
        if mail.use_tls:
            # Raises where the server does not offer it: nothing is then said in plain words.
            client.starttls(context=tls)
        if mail.username:
            client.login(mail.username, mail.password or "")
        yield client
        # The mail is accepted. A goodbye that fails is no failure.
        with suppress(OSError):
            client.say_goodbye()
    finally:
        client.close()


class _Client(smtplib.SMTP):
    """Wait long for one answer alone: whether the mail was accepted."""

    def send(self, s: bytes | str) -> None:  # type: ignore[override]
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
    # smtplib would ask the machine for its full name. That may ask name servers, and may take as
    # long as they do.
    host = messages.public_host()
    try:
        return f"[{ip_address(host)}]"
    except ValueError:
        return host


def _reason(error: Exception) -> str:
    code = _code(error)
    # smtplib gives one name to whatever ends a connection; what it met says more.
    met = error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) else None
    named = met if isinstance(met, OSError) else error
    return type(named).__name__ + (f" {code}" if code else "")


def _code(error: Exception) -> int | None:
    said = _said(error)
    return None if said is None else said[0]


def _said(error: Exception) -> tuple[int, bytes] | None:
    """Return the code and the words of the server's answer."""
    words: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, words = error.smtp_code, error.smtp_error
    else:
        return None
    return int(code), words if isinstance(words, bytes) else words.encode()


def _fault(error: Exception) -> Fault:
    said = _said(error)
    # Before a recipient is named, nothing that is said is about one.
    is_about_a_mail = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError)
    if said is None or not is_about_a_mail:
        return Fault.SERVER
    code, words = said
    if code < 500:
        is_full = isinstance(error, smtplib.SMTPDataError) or code == CLOSING
        return Fault.SERVER if is_full else Fault.NOBODY
    found = _ENHANCED.match(words)
    enhanced = found[1].decode() if found is not None else ""
    if code in _LOGIN_CODES or _SENDERS.fullmatch(enhanced):
        return Fault.SERVER
    return Fault.RECIPIENT if _MAILBOXES.fullmatch(enhanced) else Fault.SOMEBODY
