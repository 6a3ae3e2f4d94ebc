"""What a client may take of a worker, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

MIB = 1024 * 1024
# A request may take a second more for each so many bytes of its body.
BYTES_PER_SECOND = 100_000
# A connection without a request is closed after this long. Proxies keep theirs for up to 60 seconds
# and must not find them closed.
IDLE_SECONDS = 75
# The same, where more than half of all connections are in use.
CROWDED_IDLE_SECONDS = 5
# How long to read on after a refusal. Closed at once, the client might lose the answer.
LINGER_SECONDS = 3
# The request line and all headers.
HEAD_BYTES = 16 * 1024
# Requests that a client may send ahead in one packet.
PIPELINED = 8
# What is read, sent or handed over at once.
PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one worker. `memory` and `disk` are for bodies and answers that wait."""

    seconds: float = 30
    memory: int = 64 * MIB
    disk: int = 256 * MIB
    connections: int = 10_000


class Rules(Protocol):
    """What an application knows and the edge has to ask."""

    def body_limit(self, path: str) -> int:
        """Return how many bytes a body that is sent to this path may have."""

    def refusal(
        self, environ: Mapping[str, Any], status: int
    ) -> tuple[list[tuple[str, str]], bytes]:
        """Return headers and body of an error that the application was not asked for.

        `environ` has as much of the request as has come.
        """


class PlainRules:
    """The rules of an application that has none."""

    def body_limit(self, path: str) -> int:
        return MIB

    def refusal(
        self, environ: Mapping[str, Any], status: int
    ) -> tuple[list[tuple[str, str]], bytes]:
        return [("Content-Type", "application/json")], b"{}"
