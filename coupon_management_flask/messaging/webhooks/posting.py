"""One POST to an address that somebody else has named, with a deadline."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from .. import outbox
from .addresses import AddressNotAllowed, port_of, resolve

# Together they must end well within the outbox's lease: while we may still be speaking, nobody else
# may begin.
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
LONGEST_ANSWER = 64 * 1024


class DeliveryFailed(Exception):
    """A delivery failed. `reason` says why in one word.

    `response_status` is the answer's, where there was one. `retry_after` is the pause that it asks
    for.
    """

    def __init__(
        self,
        reason: str,
        response_status: int | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.response_status = response_status
        self.retry_after = retry_after


class Gone(DeliveryFailed, outbox.OverAndDone):
    """The receiver wants nothing any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered. `retry_after` is the header of that name, as it stands."""

    status: int
    retry_after: str | None


def post(url: str, headers: Mapping[str, str], body: bytes, *, allow_private: bool) -> Answer:
    """Send a body and return what was answered. Redirects are not followed.

    Raises:
        DeliveryFailed: There was no answer in time, or the address is not allowed.
    """
    deadline = monotonic() + ANSWER_SECONDS
    parts = urlsplit(url)
    try:
        addresses = resolve(parts, allow_private=allow_private)
        connection = _connect(parts, addresses, deadline)
        with _Cut(connection, deadline):
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(
                "POST",
                target,
                body,
                {"Host": parts.netloc, **headers},
                preload_content=False,
                decode_content=False,
            )
            response = connection.getresponse()
            # The status is all that counts, but the receiver may finish what it says.
            with suppress(OSError, http.client.HTTPException, urllib3.exceptions.HTTPError):
                response.read(LONGEST_ANSWER)
            return Answer(response.status, response.headers.get("Retry-After"))
    except AddressNotAllowed:
        raise DeliveryFailed("address_not_allowed") from None
    except (OSError, ValueError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
        raise DeliveryFailed(_reason(error, deadline)) from error


def _reason(error: Exception, deadline: float) -> str:
    # To urllib3 a connection that was refused is a kind of time-out.
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "connection_failed"
    if monotonic() >= deadline or isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "timed_out"
    # UnicodeError: the name can't be one, and no name server was asked.
    if isinstance(error, socket.gaierror | UnicodeError):
        return "name_not_found"
    if isinstance(error, ssl.SSLError | urllib3.exceptions.SSLError):
        return "tls_failed"
    if isinstance(error, OSError):
        return "connection_failed"
    return "invalid_answer"


def _connect(parts: SplitResult, addresses: Iterable[str], deadline: float) -> HTTPConnection:
    """Connect to the first of these addresses that takes a connection.

    The name is not resolved again, for by now it may mean another address. A certificate must still
    be the name's.
    """
    failure: Exception = TimeoutError()
    for address in addresses:
        timeout = min(CONNECT_SECONDS, deadline - monotonic())
        if timeout <= 0:
            raise TimeoutError
        connection = _connection(parts, address, timeout)
        try:
            connection.connect()
        except (OSError, urllib3.exceptions.HTTPError) as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def _connection(parts: SplitResult, address: str, timeout: float) -> HTTPConnection:
    if parts.scheme != "https":
        return HTTPConnection(address, port_of(parts), timeout=timeout)
    return HTTPSConnection(
        address,
        port_of(parts),
        timeout=timeout,
        server_hostname=parts.hostname,
        cert_reqs="CERT_REQUIRED",
    )


class _Cut:
    """Close a connection at the end of the block, or in the middle of it at a deadline.

    A time-out alone does not do it: it begins anew with every byte.
    """

    def __init__(self, connection: HTTPConnection, deadline: float) -> None:
        self._connection = connection
        self._socket = connection.sock
        # urllib3 sets the socket's time-out from this with each step.
        connection.timeout = max(0.001, deadline - monotonic())
        self._timer = threading.Timer(deadline - monotonic(), self._shut)
        self._timer.daemon = True

    def _shut(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._connection.close()
