"""One open question about each user, whose answer is shared by all who wait for it.

In this process they wait on an event; in other processes they look at the question's row.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import sqlalchemy as sa

from ...core import clock
from ...db.dialects import rows_changed, upsert
from ...db.session import before_waiting, db, transaction
from ...models import AntifraudAnswer, AntifraudQuestion, new_id

PAUSE_SECONDS = 0.02

Ask: TypeAlias = Callable[[], AntifraudAnswer]


@dataclass
class _OpenQuestion:
    """A question that this process is asking or waiting for."""

    answered: threading.Event = field(default_factory=threading.Event)
    answer: AntifraudAnswer = AntifraudAnswer.FAILED


class SharedQuestions:
    """The questions of one application. Whoever holds one for longer than the lease has died."""

    def __init__(self, *, lease: timedelta) -> None:
        self._lease = lease
        self._open: dict[UUID, _OpenQuestion] = {}
        self._lock = threading.Lock()

    def ask(self, account_id: UUID, ask: Ask) -> AntifraudAnswer:
        """Ask about a user, or wait for whoever is asking already and share the answer."""
        with self._lock:
            question = self._open.get(account_id)
            is_first = question is None
            if question is None:
                question = self._open[account_id] = _OpenQuestion()
        if not is_first:
            question.answered.wait(2 * self._lease.total_seconds())
            return question.answer
        try:
            question.answer = self._ask_among_processes(account_id, ask)
        finally:
            with self._lock:
                del self._open[account_id]
            question.answered.set()
        return question.answer

    def _ask_among_processes(self, account_id: UUID, ask: Ask) -> AntifraudAnswer:
        question_id, is_ours = _open_question(account_id, self._lease)
        if not is_ours:
            return _wait_for(question_id)
        answer = AntifraudAnswer.FAILED
        try:
            answer = ask()
            return answer
        finally:
            _close(question_id, answer)


def _open_question(account_id: UUID, lease: timedelta) -> tuple[UUID, bool]:
    """Return the id of the user's open question, and whether it is ours to ask."""
    while True:
        now = clock.now()
        question_id = new_id()
        with transaction(at_once=True):
            opened = db.session.execute(
                upsert(AntifraudQuestion)
                .values(id=question_id, account_id=account_id, leased_until=now + lease)
                .on_conflict_do_nothing(
                    index_elements=[AntifraudQuestion.account_id],
                    index_where=AntifraudQuestion.answer.is_(None),
                )
            )
            if rows_changed(opened):
                return question_id, True
        found = db.session.execute(
            sa.select(AntifraudQuestion.id, AntifraudQuestion.leased_until).where(
                AntifraudQuestion.account_id == account_id, AntifraudQuestion.answer.is_(None)
            )
        ).one_or_none()
        if found is None:
            # It was answered in between.
            continue
        open_id, leased_until = found
        if leased_until > now:
            return open_id, False
        # Whoever asked it has died.
        _close(open_id, AntifraudAnswer.FAILED)


def _wait_for(question_id: UUID) -> AntifraudAnswer:
    """Wait for the answer to a question that another process asks.

    It is FAILED where that process has died, which shows when its lease lapses.
    """
    pause = threading.Event()
    while True:
        found = db.session.execute(
            sa.select(AntifraudQuestion.answer, AntifraudQuestion.leased_until).where(
                AntifraudQuestion.id == question_id
            )
        ).one_or_none()
        if found is None:
            return AntifraudAnswer.FAILED
        answer, leased_until = found
        if answer is not None:
            return answer
        if leased_until <= clock.now():
            return AntifraudAnswer.FAILED
        before_waiting()
        pause.wait(PAUSE_SECONDS)


def _close(question_id: UUID, answer: AntifraudAnswer) -> None:
    with transaction(at_once=True):
        db.session.execute(
            sa.update(AntifraudQuestion)
            .where(AntifraudQuestion.id == question_id, AntifraudQuestion.answer.is_(None))
            .values(answer=answer)
            .execution_options(synchronize_session=False)
        )
