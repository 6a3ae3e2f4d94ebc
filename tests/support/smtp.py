"""A mail server: real SMTP (aiosmtpd) on a free loopback port.

It records what it receives, and refuses, stalls or stops as the test says.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from .ports import free_port
from .waiting import wait_until

LOGIN = ("coupons", "a password of coupons")


@dataclass(frozen=True)
class Received:
    mail_from: str
    to: list[str]
    options: list[str]
    content: bytes
    is_encrypted: bool
    login: str | None

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=default)


@dataclass
class SmtpServer:
    """Accepts everything unless it is told otherwise.

    `answers` replaces the answer to a command, and commands in `stalls` get none. `commands` names
    what it has received: RCPT, DATA (the whole mail has arrived), QUIT.
    """

    port: int
    tls: ssl.SSLContext | None = None
    is_tls_from_the_start: bool = False
    asks_for_login: bool = False
    is_international: bool = False
    received: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    stalls: set[str] = field(default_factory=set)
    _controller: Controller | None = None
    _transports: set[Any] = field(default_factory=set)

    def start(self) -> None:
        options: dict[str, Any] = {"ident": "Test", "enable_SMTPUTF8": self.is_international}
        if self.is_tls_from_the_start:
            options["ssl_context"] = self.tls
        elif self.tls is not None:
            options |= {"tls_context": self.tls, "require_starttls": True}
        if self.asks_for_login:
            # aiosmtpd only counts STARTTLS as TLS. If TLS is there from the start, it would warn.
            options |= {
                "authenticator": self._authenticate,
                "auth_require_tls": not self.is_tls_from_the_start,
                "auth_required": not self.is_tls_from_the_start,
            }
        self._controller = Controller(
            _Handler(self), "127.0.0.1", self.port, server_hostname="127.0.0.1", **options
        )
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            for transport in self._transports:
                self._controller.loop.call_soon_threadsafe(transport.abort)
            self._transports.clear()
            self._controller.stop()
            self._controller = None

    @contextmanager
    def stalling(self, command: str) -> Iterator[None]:
        """Leave this command unanswered until the block ends."""
        self.stalls.add(command)
        try:
            yield
        finally:
            self.stalls.discard(command)

    def wait_for(self, command: str, times: int = 1) -> None:
        wait_until(lambda: self.commands.count(command) >= times, f"the server hears {command}")

    def texts(self) -> list[str]:
        """Return the plain text of each accepted mail."""
        return [
            received.message.get_body(("plain",)).get_content().strip()
            for received in self.received
        ]  # type: ignore[union-attr]

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(
            success=self.logins[-1] == LOGIN, handled=False, auth_data=data.login.decode()
        )


class _Handler:
    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def _answer(self, protocol: SMTP, command: str) -> str | None:
        server = self._server
        server._transports.add(protocol.transport)
        server.commands.append(command)
        while command in server.stalls:
            await asyncio.sleep(0.01)
        return server.answers.get(command)

    async def handle_MAIL(
        self,
        protocol: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        answer = await self._answer(protocol, "MAIL")
        if answer is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return answer or "250 OK"

    async def handle_RCPT(
        self,
        protocol: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        answer = await self._answer(protocol, "RCPT") or self._server.refused.get(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, protocol: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await self._answer(protocol, "DATA")
        if answer is None:
            assert isinstance(envelope.original_content, bytes)
            login = session.auth_data if isinstance(session.auth_data, str) else None
            is_encrypted = session.ssl is not None or self._server.is_tls_from_the_start
            options = list(envelope.mail_options)
            received = Received(
                str(envelope.mail_from),
                list(envelope.rcpt_tos),
                options,
                envelope.original_content,
                is_encrypted,
                login,
            )
            self._server.received.append(received)
        return answer or "250 OK"

    async def handle_QUIT(self, protocol: SMTP, _session: Session, _envelope: Envelope) -> str:
        answer = await self._answer(protocol, "QUIT")
        if answer == "hangs up":
            protocol.transport.abort()
        return answer or "221 Bye"


@contextmanager
def running_smtp(port: int | None = None, **options: Any) -> Iterator[SmtpServer]:
    server = SmtpServer(port or free_port(), **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def certificate(*names: str) -> tuple[trustme.CA, ssl.SSLContext]:
    """Issue a certificate for these names. Returns its authority and a server's context."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return authority, context


@contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections on a port and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken, is_over = [], threading.Event()

        def take() -> None:
            while not is_over.is_set():
                connection, _ = listener.accept()
                taken.append(connection)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        port = int(listener.getsockname()[1])
        try:
            yield port
        finally:
            is_over.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()
            for connection in taken:
                connection.close()
