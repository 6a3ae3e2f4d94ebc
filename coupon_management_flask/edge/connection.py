"""A connection: it reads requests, one after another, and has them answered in this order."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import httptools
import structlog

from .answer import Answer, refusal
from .limits import BYTES_PER_SECOND, HEAD_BYTES, LINGER_SECONDS, PIPELINED
from .request import BadTarget, Environ, Request
from .sending import Sender
from .store import Full, Store

if TYPE_CHECKING:
    from .loop import Edge

log = structlog.get_logger("edge")


class _Stop(Exception):
    """Stops the parser."""


class Connection(asyncio.Protocol):
    """What the loop and the parser call. All of it runs in the loop's thread."""

    __slots__ = (
        "_answering",
        "_base",
        "_began",
        "_deadline",
        "_edge",
        "_head",
        "_headers",
        "_is_last",
        "_is_refused",
        "_later",
        "_limit",
        "_parser",
        "_reading",
        "_sender",
        "_status",
        "_target",
        "_transport",
        "_waiting",
    )

    def __init__(self, edge: "Edge") -> None:
        self._edge = edge
        self._base: Environ = edge.environ
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._sender: Sender | None = None
        # The request of which a part has come, until when the rest must come, and the size of its
        # head: by packets (0 once it is complete), and of the headers that the parser has told.
        self._reading: Request | None = None
        self._began = 0.0
        self._deadline = 0.0
        self._head = 0
        self._headers = 0
        self._target = b""
        self._limit = 0
        # The request that is being answered, those after it, and bytes that are not parsed yet.
        self._answering: Request | None = None
        self._waiting: deque[Request] = deque()
        self._later: Store | None = None
        # Why the parser was stopped. No further request is read. Nothing more is answered.
        self._status = 400
        self._is_last = False
        self._is_refused = False

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sender = Sender(self._edge, self._transport, self._sent)
        peer = transport.get_extra_info("peername")
        # A Unix socket has no address.
        host, port = peer[:2] if isinstance(peer, tuple) else ("", 0)
        self._base = {**self._edge.environ, "REMOTE_ADDR": host, "REMOTE_PORT": str(port)}
        self._deadline = self._edge.now() + self._edge.limits.seconds
        self._edge.add(self)

    def data_received(self, data: bytes) -> None:
        if self._is_refused or self._is_last:
            return
        if self._answering is not None:
            self._put_off(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_last = True
        except httptools.HttpParserError:
            if not self._is_last:
                self._refuse(self._status)
        else:
            if self._head and self._answering is None:
                # The parser tells a header once all of it is there.
                self._head += len(data)
                if self._head > HEAD_BYTES:
                    self._refuse(431)

    def _put_off(self, data: bytes) -> None:
        """Keep what comes while a request is being answered."""
        self._get_transport().pause_reading()
        self._later = self._later or Store(self._edge.budget)
        try:
            self._later.write(data)
        except Full:
            self._get_sender().cut_off("no room for the next request")

    def eof_received(self) -> bool:
        self._is_last = True
        # Whoever has sent all requests may still want the answers.
        return self._answering is not None

    def pause_writing(self) -> None:
        self._get_sender().pause()

    def resume_writing(self) -> None:
        self._get_sender().resume()

    def connection_lost(self, error: Exception | None) -> None:
        self._edge.remove(self)
        self._get_sender().lost()
        self._transport = None
        for request in (self._reading, *self._waiting):
            _let_go(request)
        self._waiting.clear()
        if self._later is not None:
            self._later.close()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if len(self._waiting) >= PIPELINED:
            self._is_last = True
            raise _Stop
        self._reading = Request(self._base.copy())
        self._target = b""
        self._head = 1
        self._headers = 0
        self._began = self._edge.now()
        self._deadline = self._began + self._edge.limits.seconds

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers say nothing that an application would want to know.
        if self._head and self._reading is not None:
            self._headers += len(name) + len(value) + 4
            if self._headers > HEAD_BYTES:
                self._status = 431
                raise _Stop
            self._reading.add_header(name, value)

    def on_headers_complete(self) -> None:
        self._head = 0
        request, parser = self._reading, self._parser
        assert request is not None
        environ = request.environ
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise _Stop
        environ["SERVER_PROTOCOL"] = f"HTTP/{version}"
        request.keep_alive = parser.should_keep_alive()
        try:
            request.set_target(parser.get_method(), self._target)
        except BadTarget:
            raise _Stop from None
        announced = int(environ.get("CONTENT_LENGTH") or 0)
        if announced or "HTTP_TRANSFER_ENCODING" in environ:
            self._expect_body(request, announced)

    def _expect_body(self, request: Request, announced: int) -> None:
        environ = request.environ
        if self._parser.should_upgrade():
            # The parser takes what follows for another protocol, and we speak none.
            raise _Stop
        self._limit = self._edge.rules.body_limit(environ["PATH_INFO"])
        if announced > self._limit:
            self._hand_over_part(request, announced)
        self._deadline += announced / BYTES_PER_SECOND
        request.body = Store(self._edge.budget)
        # The application gets a body whose length is known.
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue" and self._answering is None:
            self._get_transport().write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        request = self._reading
        if request is None or request.body is None:
            return
        try:
            request.body.write(piece)
        except Full:
            self._status = 503
            raise _Stop from None
        if "CONTENT_LENGTH" not in request.environ:
            size = request.body.size
            self._deadline = self._began + self._edge.limits.seconds + size / BYTES_PER_SECOND
            if size > self._limit:
                self._hand_over_part(request, size)

    def on_message_complete(self) -> None:
        request, self._reading = self._reading, None
        assert request is not None
        if request.body is not None:
            request.environ["CONTENT_LENGTH"] = str(request.body.size)
        self._hand_over(request)

    def _hand_over_part(self, request: Request, size: int) -> None:
        """Let the application refuse a body that is too long, which it sees by its length.

        Raises: _Stop.
        """
        _let_go(request)
        request.body = None
        request.environ["CONTENT_LENGTH"] = str(size)
        request.keep_alive = False
        request.is_partly_read = True
        self._reading = None
        self._is_last = True
        self._hand_over(request)
        raise _Stop

    def _hand_over(self, request: Request) -> None:
        if self._answering is None:
            self._answering = request
            self._edge.work_on(self, request)
        else:
            self._waiting.append(request)

    # Answering.

    def answered(self, request: Request, answer: Answer | None) -> None:
        """Send an answer. Without one, the application has failed."""
        _let_go(request)
        if self._transport is None:
            if answer is not None:
                self._edge.close_answer(answer)
        elif answer is None:
            self._answering = None
            self._refuse(500, request)
        else:
            self._get_sender().send(answer)

    def _sent(self, answer: Answer) -> None:
        """Go on with the next request, if there is to be one."""
        request, self._answering = self._answering, None
        assert request is not None
        transport, edge = self._get_transport(), self._edge
        if request.is_partly_read:
            self._linger()
        elif self._waiting and answer.keep_alive:
            self._hand_over(self._waiting.popleft())
        elif self._is_last or edge.is_closing or not answer.keep_alive:
            self._is_last = True
            transport.close()
        else:
            now = edge.now()
            if self._reading is None:
                self._deadline = now + edge.idle_seconds
            else:
                # Its beginning came with the request before it, and had to wait.
                self._deadline = max(self._deadline, now + edge.limits.seconds)
            if self._later is not None:
                data = self._later.rewind().read()
                self._later.close()
                self._later = None
                transport.resume_reading()
                self.data_received(data)

    # Ending.

    def check(self, now: float) -> None:
        """Cut the connection off where its time is over. The loop calls it every second."""
        if self._get_sender().waits(now) or self._answering is not None or now <= self._deadline:
            return
        if self._reading is None:
            self._get_transport().close()
        else:
            log.info("request.cut_off", why="the request does not come")
            self._refuse(408)

    def drain(self, deadline: float) -> None:
        """Close it once what has come is answered. What has not come by `deadline` is not read."""
        self.close_if_idle()
        self._deadline = min(self._deadline, deadline)

    def close_if_idle(self) -> None:
        if self._answering is None and self._reading is None:
            self._get_transport().close()

    def _refuse(self, status: int, request: Request | None = None) -> None:
        """Answer without the application, and read no more."""
        refused = request or self._reading
        environ = self._base if refused is None else refused.environ
        if refused is not None and self._target and "PATH_INFO" not in environ:
            # What asks comes before the headers, and may be known already.
            with suppress(BadTarget):
                refused.set_target(self._parser.get_method(), self._target)
        _let_go(self._reading)
        self._reading = None
        self._is_last = True
        if self._answering is None:
            # Otherwise what came before it in the same packet is answered, and this is not.
            headers, body = self._edge.rules.refusal(environ, status)
            self._get_transport().write(refusal(status, headers, body))
            self._linger()

    def _linger(self) -> None:
        """Read on for a while, without looking: closed at once, the answer might get lost."""
        transport = self._get_transport()
        self._is_refused = True
        if transport.is_closing():
            return
        self._deadline = self._edge.now() + LINGER_SECONDS
        with suppress(OSError):
            transport.write_eof()
        transport.resume_reading()

    def _get_transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def _get_sender(self) -> Sender:
        assert self._sender is not None
        return self._sender


def _let_go(request: Request | None) -> None:
    if request is not None and request.body is not None:
        request.body.close()
