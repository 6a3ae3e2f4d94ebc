"""The check that an activation makes before it gives out a code.

The antifraud service is asked, and its verdict is remembered for as long as it says. Whoever
activates while a question about the same user is open waits for that answer. Where no service is
configured, a built-in check is made with the claim.
"""

import threading
from typing import Any
from uuid import UUID

from ...core import errors
from ...db.engines import SERVER_THREADS
from ...db.session import before_waiting
from ...models import AntifraudAnswer
from . import built_in
from .client import AntifraudClient, longest_ask
from .memory import memory_at
from .sharing import SharedQuestions


class Antifraud:
    """What an activation asks. There is one for each application."""

    def __init__(
        self,
        address: str,
        redis_url: str,
        max_per_minute: int,
        *,
        connect_seconds: float,
        answer_seconds: float,
    ) -> None:
        self._service = (
            AntifraudClient(address, connect_seconds, answer_seconds) if address else None
        )
        self._memory = memory_at(redis_url)
        self._questions = SharedQuestions(lease=longest_ask(connect_seconds, answer_seconds))
        self._max_per_minute = max_per_minute
        # A slow service must not take all threads away from everybody else.
        self._places = threading.Semaphore(max(1, SERVER_THREADS // 2))

    @property
    def is_built_in(self) -> bool:
        return self._service is None

    def allows(self, account_id: UUID, email: str, promo_id: UUID) -> bool:
        """Return whether the user may be given a code; False where the service gave no answer.

        It can take seconds, so no transaction may be open.

        Raises: Unavailable where too many requests wait for the service.
        """
        service = self._service
        if service is None:
            # That check is made with the claim.
            return True
        remembered = self._memory.recall(account_id)
        if remembered is not None:
            return remembered
        before_waiting()
        if not self._places.acquire(blocking=False):
            raise errors.Unavailable
        try:
            answer = self._questions.ask(
                account_id, lambda: self._ask(service, account_id, email, promo_id)
            )
        finally:
            self._places.release()
        return answer == AntifraudAnswer.YES

    def _ask(
        self, service: AntifraudClient, account_id: UUID, email: str, promo_id: UUID
    ) -> AntifraudAnswer:
        # Somebody may have asked, and closed the question, since this request looked.
        remembered = self._memory.recall(account_id)
        if remembered is not None:
            return AntifraudAnswer.YES if remembered else AntifraudAnswer.NO
        before_waiting()
        verdict = service.ask(email, promo_id)
        if verdict.answer != AntifraudAnswer.FAILED and verdict.valid_until is not None:
            self._memory.remember(
                account_id, verdict.answer == AntifraudAnswer.YES, verdict.valid_until
            )
        return verdict.answer

    def limit(self) -> dict[str, Any]:
        """Return the built-in check's parameters for a claim under `built_in.NOT_TOO_MANY`."""
        return built_in.limit(self._max_per_minute)

    def admits(self, account_id: UUID) -> bool:
        """Return whether the built-in check, where it is the one, lets the user activate now."""
        return not self.is_built_in or built_in.admits(account_id, self._max_per_minute)
