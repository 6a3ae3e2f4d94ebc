"""Speaks to the antifraud service behind ANTIFRAUD_ADDRESS."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

import structlog
import urllib3

from ...db.engines import SERVER_THREADS
from ...models import AntifraudAnswer

log = structlog.get_logger(__name__)

TRIES = 2
LONGEST_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the service has answered, and until when that may be remembered."""

    answer: AntifraudAnswer
    valid_until: datetime | None = None


def longest_ask(connect_seconds: float, answer_seconds: float) -> timedelta:
    """Return more than the longest that `AntifraudClient.ask` can take."""
    # The last read of a try may begin just before its deadline and take as long again.
    return timedelta(seconds=TRIES * (connect_seconds + 2 * answer_seconds) + 2)


class AntifraudClient:
    def __init__(self, address: str, connect_seconds: float, answer_seconds: float) -> None:
        base = (address if "://" in address else f"http://{address}").rstrip("/")
        self._url = f"{base}/api/validate"
        self._pool = urllib3.PoolManager(
            maxsize=SERVER_THREADS,
            retries=False,
            timeout=urllib3.Timeout(connect=connect_seconds, read=answer_seconds),
        )
        self._answer_seconds = answer_seconds

    def ask(self, email: str, promo_id: UUID) -> Verdict:
        """Ask about a user and a promo.

        The answer is FAILED where twice there was none, or none that can be understood.
        """
        for _ in range(TRIES):
            try:
                return _understood(self._post({"user_email": email, "promo_id": str(promo_id)}))
            except (urllib3.exceptions.HTTPError, ValueError, RecursionError) as error:
                log.warning(
                    "antifraud.failed",
                    problem=str(error) if isinstance(error, _NoVerdict) else type(error).__name__,
                )
        return Verdict(AntifraudAnswer.FAILED)

    def _post(self, question: dict[str, str]) -> bytes:
        deadline = monotonic() + self._answer_seconds
        response = self._pool.request(
            "POST", self._url, json=question, redirect=False, preload_content=False
        )
        try:
            if response.status != 200:
                raise _NoVerdict(f"status {response.status}")
            body = b""
            while chunk := response.read1(LONGEST_BODY):
                body += chunk
                # The pool's time-out is for each read. A service that sends a byte now and then
                # would never meet it.
                if len(body) > LONGEST_BODY or monotonic() > deadline:
                    raise _NoVerdict("too long")
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return body


class _NoVerdict(ValueError):
    """The service was reached and gave no verdict."""


def _understood(body: bytes) -> Verdict:
    answer = json.loads(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise _NoVerdict("no verdict")
    return Verdict(
        AntifraudAnswer.YES if answer["ok"] else AntifraudAnswer.NO,
        _moment(answer.get("cache_until")),
    )


_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:\d{2})?", re.ASCII
)


def _moment(text: object) -> datetime | None:
    """Read a moment as the service writes it; None where it is not one.

    It is in UTC where no zone is written. It may have any number of digits; what is finer than a
    millisecond is cut off.
    """
    match = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    whole, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{whole}{zone or 'Z'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment + timedelta(milliseconds=int((fraction or "0")[:3].ljust(3, "0")))
