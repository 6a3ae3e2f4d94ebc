"""Webhooks: others are told what has happened, signed as Standard Webhooks describes, at least once.

An event is written down in the transaction that it tells of, as one outbox message for each webhook that wants it. The message's id is `webhook-id`:
whoever gets it twice knows it by that, after a retry as after a resend.
"""

import base64
import http.client
import ipaddress
import json
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import sqlalchemy as sa
import urllib3
from standardwebhooks import Webhook as Signer
from urllib3.connection import HTTPConnection, HTTPSConnection

from ...core import clock
from ...db.dialects import one_of
from ...db.session import AnyRow, before_waiting, db, transaction
from ...db.statements import Prepared
from ...models import Webhook, WebhookDelivery, WebhookSubscription, new_id
from .. import outbox

TOPIC = "webhook"
EVENTS = (
    "coupon.created",
    "coupon.updated",
    "coupon.exhausted",
    "redemption.created",
    "redemption.rolled_back",
)

LONGEST_URL = 2000
# All together they must end well within the outbox's lease: while we may still be speaking, nobody else may begin.
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
LONGEST_ANSWER = 64 * 1024
# Who did not answer in time is left alone for so long: one address must not hold up what is due to all others.
REST = timedelta(minutes=1)

_webhooks: Any = Webhook.__table__
_deliveries: Any = WebhookDelivery.__table__
_subscriptions: Any = WebhookSubscription.__table__

_SUBSCRIBED = Prepared(
    "webhooks_of_event",
    sa.select(_subscriptions.c.webhook_id)
    .where(_subscriptions.c.event == sa.bindparam("event", type_=sa.Text))
    .order_by("webhook_id"),
)

_ARE_WANTED = Prepared(
    "webhooks_of_events",
    lambda on_postgresql: sa.select(
        sa.exists()
        .where(one_of(_subscriptions.c.event, "events", sa.Text, on_postgresql=on_postgresql))
        .label("wanted")
    ),
)


class DeliveryFailed(Exception):
    """Says in one word why. `response_status` is the answer's, where there was one."""

    def __init__(self, reason: str, response_status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.response_status = response_status


def new_secret() -> str:
    """A signing secret as Standard Webhooks writes it: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def are_wanted(events: Sequence[str]) -> bool:
    """Whether anybody is told of any of these at this moment."""
    return bool(_ARE_WANTED.execute({"events": list(events)}).one().wanted)


def record(event: str, facts: Callable[[], dict[str, Any]]) -> None:
    """Tells every webhook that wants to know of the event, once the transaction around is committed. `facts` gives JSON, as the contract shows it."""
    subscribed = _SUBSCRIBED.execute({"event": event})
    if not subscribed:
        return
    body = json.dumps(
        {
            "type": event,
            "timestamp": clock.now().isoformat().replace("+00:00", "Z"),
            "data": facts(),
        },
        separators=(",", ":"),
    )
    for row in subscribed:
        outbox.write(TOPIC, {"webhook_id": str(row.webhook_id), "event": event, "body": body})


def deliver(message_id: UUID, payload: dict[str, Any], *, allow_private: bool) -> None:
    """Sends a message to its webhook, unless that is gone, and notes the attempt. Raises DeliveryFailed, at once while the webhook rests."""
    webhook = db.session.execute(
        sa.select(_webhooks).where(_webhooks.c.id == UUID(payload["webhook_id"]))
    ).one_or_none()
    if webhook is None:
        return
    delivery_id = _begin(webhook.id, message_id, payload["event"])
    before_waiting()
    try:
        if webhook.rests_until is not None and webhook.rests_until > clock.now():
            raise DeliveryFailed("resting")
        status = _post(
            webhook.url,
            _signed(webhook, message_id, payload["body"]),
            payload["body"].encode(),
            allow_private,
        )
        if not 200 <= status < 300:
            raise DeliveryFailed(
                "redirected" if 300 <= status < 400 else "unexpected_status", status
            )
    except DeliveryFailed as failure:
        _end(delivery_id, failure.response_status, failure.reason)
        if failure.reason == "timed_out":
            _let_rest(webhook.id)
        raise
    _end(delivery_id, status, None)


def _begin(webhook_id: UUID, message_id: UUID, event: str) -> UUID:
    delivery_id = new_id()
    with transaction():
        db.session.execute(
            sa.insert(_deliveries).values(
                id=delivery_id,
                webhook_id=webhook_id,
                message_id=message_id,
                event=event,
                started_at=clock.now(),
            )
        )
    return delivery_id


def _end(delivery_id: UUID, response_status: int | None, error: str | None) -> None:
    with transaction():
        db.session.execute(
            sa.update(_deliveries)
            .where(_deliveries.c.id == delivery_id)
            .values(finished_at=clock.now(), response_status=response_status, error=error)
        )


def _let_rest(webhook_id: UUID) -> None:
    with transaction():
        db.session.execute(
            sa.update(_webhooks)
            .where(_webhooks.c.id == webhook_id)
            .values(rests_until=clock.now() + REST)
        )


def _signed(webhook: AnyRow, message_id: UUID, body: str) -> dict[str, str]:
    now = clock.now()
    return {
        "Content-Type": "application/json",
        "User-Agent": "coupon-management",
        "webhook-id": str(message_id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(webhook.secret).sign(str(message_id), now, body),
    }


def refuse_url(url: str, *, allow_private: bool) -> str | None:
    """What is wrong with a webhook's URL, as far as it can be told without asking anybody; None where nothing is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "Not a valid URL."
    if (
        not (url.isascii() and url.isprintable())
        or " " in url
        or "\\" in url
        or not parts.hostname
        or port == 0
    ):
        return "Not a valid URL."
    if parts.scheme not in (("https", "http") if allow_private else ("https",)):
        return "It must start with https://."
    if parts.username is not None or parts.password is not None or "#" in url:
        return "It must hold no user name and no fragment."
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        is_private = parts.hostname.rstrip(".") == "localhost" or parts.hostname.rstrip(
            "."
        ).endswith(".localhost")
    else:
        is_private = not is_public(address)
    return "It must not lead to a private address." if is_private and not allow_private else None


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it belongs to the Internet at large: neither private, loopback, link-local, shared, multicast nor reserved, nor a way around that."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        # Global unicast is 2000::/3. Within it two ranges carry an IPv4 address of anybody's choice (Teredo, 6to4).
        if (
            address.packed[0] >> 5 != 1
            or address.teredo is not None
            or address.sixtofour is not None
        ):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _post(url: str, headers: dict[str, str], body: bytes, allow_private: bool) -> int:
    """The status of the answer; redirects are not followed. Raises DeliveryFailed."""
    deadline = monotonic() + ANSWER_SECONDS
    parts = urlsplit(url)
    try:
        connection = _connect(parts, _checked_addresses(parts, allow_private), deadline)
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
            # What it says beside the status is nobody's business; it may finish saying so.
            with suppress(OSError, http.client.HTTPException, urllib3.exceptions.HTTPError):
                response.read(LONGEST_ANSWER)
            return response.status
    except DeliveryFailed:
        raise
    except (OSError, ValueError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
        raise DeliveryFailed(_reason(error, deadline)) from error


def _reason(error: Exception, deadline: float) -> str:
    # To urllib3 a connection that was refused is a kind of time-out.
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "connection_failed"
    if monotonic() >= deadline or isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "timed_out"
    # A name that can be none is not even asked for.
    if isinstance(error, socket.gaierror | UnicodeError):
        return "name_not_found"
    if isinstance(error, ssl.SSLError | urllib3.exceptions.SSLError):
        return "tls_failed"
    if isinstance(error, OSError):
        return "connection_failed"
    return "invalid_answer"


def _checked_addresses(parts: SplitResult, allow_private: bool) -> list[str]:
    """All addresses of a host. Refused if one of them is not to be spoken to: names are asked for anew with each attempt, and are whose they are."""
    found = socket.getaddrinfo(
        parts.hostname, parts.port or _default_port(parts), type=socket.SOCK_STREAM
    )
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    if not allow_private and not all(
        is_public(ipaddress.ip_address(address)) for address in addresses
    ):
        raise DeliveryFailed("address_not_allowed")
    return addresses


def _default_port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80


def _connect(parts: SplitResult, addresses: Iterable[str], deadline: float) -> HTTPConnection:
    """A connection to the first of these addresses that takes one, never to what the name may mean by now. A certificate must be the name's."""
    failure: Exception = TimeoutError()
    for address in addresses:
        timeout = min(CONNECT_SECONDS, deadline - monotonic())
        if timeout <= 0:
            raise TimeoutError
        port = parts.port or _default_port(parts)
        connection = (
            HTTPSConnection(
                address,
                port,
                timeout=timeout,
                server_hostname=parts.hostname,
                cert_reqs="CERT_REQUIRED",
            )
            if parts.scheme == "https"
            else HTTPConnection(address, port, timeout=timeout)
        )
        try:
            connection.connect()
        except (OSError, urllib3.exceptions.HTTPError) as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


class _Cut:
    """Closes a connection at the end of the block, and in the middle of it at a deadline: a time-out alone begins anew with every byte."""

    def __init__(self, connection: HTTPConnection, deadline: float) -> None:
        self._connection = connection
        self._socket = connection.sock
        # urllib3 sets the socket's from this with each step.
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
