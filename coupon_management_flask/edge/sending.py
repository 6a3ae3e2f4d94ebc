"""Sending answers as fast as the client takes them, while no thread waits for it."""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from .answer import Answer
from .limits import PIECE_BYTES
from .store import Full, Store

if TYPE_CHECKING:
    from .loop import Edge

log = structlog.get_logger("edge")


class Sender:
    """The outgoing side of a connection, one answer after another.

    A whole answer is kept until it is sent. Of others the application makes the next piece once
    the client has taken the one before: in between, it holds no thread.
    """

    __slots__ = (
        "_answer",
        "_edge",
        "_finished",
        "_is_paused",
        "_is_pulling",
        "_kept",
        "_moved",
        "_transport",
        "_unsent",
    )

    def __init__(
        self, edge: "Edge", transport: asyncio.Transport, finished: Callable[[Answer], None]
    ) -> None:
        transport.set_write_buffer_limits(high=PIECE_BYTES)
        self._edge = edge
        self._transport = transport
        self._finished = finished
        self._answer: Answer | None = None
        self._kept: Store | None = None
        self._is_pulling = False
        self._is_paused = False
        # What the client has not taken, and since when it has taken nothing.
        self._unsent = 0
        self._moved = 0.0

    def send(self, answer: Answer) -> None:
        self._answer = answer
        if len(answer.bytes) <= PIECE_BYTES:
            self._transport.write(answer.bytes)
        elif not self._keep(answer.bytes):
            return
        answer.bytes = b""
        self._go_on()

    def _keep(self, answer: bytes) -> bool:
        self._kept = Store(self._edge.budget)
        try:
            self._kept.write(answer)
        except Full:
            self.cut_off("no room for the answer")
            return False
        self._kept.rewind()
        return True

    def pulled(self, answer: Answer, piece: bytes | None) -> None:
        """Send the piece that a thread has made. Without one, the application has failed."""
        self._is_pulling = False
        if self._answer is None:
            # The client has gone meanwhile.
            self._edge.close_answer(answer)
        elif piece is None:
            # Without the end that the client waits for, the answer is seen to be cut off.
            self._transport.abort()
        else:
            self._transport.write(piece)
            self._go_on()

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self._moved = 0.0
        self._go_on()

    def _go_on(self) -> None:
        """Send as much as the client takes now."""
        answer = self._answer
        if answer is None or self._is_pulling:
            return
        while self._kept is not None:
            if self._is_paused:
                return
            piece = self._kept.file.read(PIECE_BYTES)
            if piece:
                self._transport.write(piece)
            else:
                self._kept.close()
                self._kept = None
        if answer.is_whole:
            self._answer = None
            self._finished(answer)
        elif not self._is_paused:
            self._is_pulling = True
            self._edge.pull(self, answer)

    def lost(self) -> None:
        """Let go of everything: the connection has ended."""
        answer, self._answer = self._answer, None
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        # What a thread is busy with is let go when it comes back.
        if answer is not None and not self._is_pulling:
            self._edge.close_answer(answer)

    def waits(self, now: float) -> bool:
        """Say whether the client has something to take. Cut it off if it takes nothing any more."""
        if not self._transport.get_write_buffer_size():
            self._moved = 0.0
            return False
        unsent = self._count_unsent()
        if unsent != self._unsent or not self._moved:
            self._unsent, self._moved = unsent, now
        elif now - self._moved > self._edge.limits.seconds:
            self.cut_off("the answer is not read")
        return True

    def _count_unsent(self) -> int:
        """Count the bytes that the client has not taken: here, and those in the kernel."""
        unsent = self._transport.get_write_buffer_size()
        with suppress(OSError, ValueError):
            descriptor = self._transport.get_extra_info("socket").fileno()
            held = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4))
            unsent += int(struct.unpack("i", held)[0])
        return unsent

    def cut_off(self, why: str) -> None:
        log.info("request.cut_off", why=why)
        self._transport.abort()
