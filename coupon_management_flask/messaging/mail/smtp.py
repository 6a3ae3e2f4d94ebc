"""The sender: a Flask-Mail message to the SMTP server that is set (docs/decisions/0018)."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

import flask_mail
from flask import current_app

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


class MailFailed(Exception):
    """A mail was not accepted. `reason` says why in a word or two, and never names a person.

    `tells_of_the_server` is True where any other mail would have met the same.
    """

    def __init__(self, reason: str, *, tells_of_the_server: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tells_of_the_server = tells_of_the_server


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
        raise MailFailed(_reason(error), tells_of_the_server=_tells_of_the_server(error)) from None


def _hand_over(client: "_Client", message: flask_mail.Message) -> None:
    if messages.is_international(message):
        client.ehlo_or_helo_if_needed()
        if not client.has_extn("smtputf8"):
            raise MailFailed("smtputf8_not_supported", tells_of_the_server=False)
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
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return int(next(iter(error.recipients.values()))[0])
    return int(error.smtp_code) if isinstance(error, smtplib.SMTPResponseException) else None


def _tells_of_the_server(error: Exception) -> bool:
    """Return False for what the server says to this recipient or to this text alone."""
    code = _code(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return code == 421
    if isinstance(error, smtplib.SMTPDataError):
        return code is not None and code < 500
    return True
