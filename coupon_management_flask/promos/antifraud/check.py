"""Antifraud: may this user be given a code? Asked of another service, remembered as long as that service says.

A verdict is remembered by user in Redis, or in the database where there is none; a Redis that is down means asking. Who activates while the question is open
waits for its answer: in this process on an event, from other processes through the question's row.
"""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import redis
import sqlalchemy as sa
import structlog
import urllib3

from ...core import clock, errors, stock
from ...db.dialects import rows_changed, upsert
from ...db.engines import SERVER_THREADS
from ...db.session import before_waiting, db, transaction
from ...db.statements import Prepared
from ...db.types import Moment
from ...models import Account, AntifraudQuestion, AntifraudVerdict, Redemption, new_id

log = structlog.get_logger(__name__)

TRIES = 2
LONGEST_ANSWER = 64 * 1024
PAUSE_SECONDS = 0.02

YES, NO, FAILED = "yes", "no", "failed"

_questions: Any = AntifraudQuestion.__table__
_verdicts: Any = AntifraudVerdict.__table__
_redemptions: Any = Redemption.__table__


@dataclass(frozen=True, slots=True)
class Answer:
    verdict: str
    valid_until: datetime | None = None


_VERDICT = Prepared(
    "antifraud_verdict",
    sa.select(_verdicts.c.ok, _verdicts.c.valid_until).where(
        _verdicts.c.account_id == sa.bindparam("account_id", type_=sa.Uuid)
    ),
)


_recent = sa.select(sa.func.count().label("count")).select_from(
    sa.select(_redemptions.c.id)
    .where(
        _redemptions.c.account_id == stock.given("account_id", sa.Uuid),
        _redemptions.c.kind == "promo",
        _redemptions.c.created_at > stock.given("since", Moment),
    )
    .limit(stock.given("most", sa.BigInteger))
    .subquery()
)
_RECENT = Prepared("recent_activations", _recent)

# The built-in check as a claim makes it. The account is locked before, so that of a user's parallel activations each counts those before it.
NOT_TOO_MANY: sa.ColumnElement[bool] = _recent.scalar_subquery() < stock.given(
    "most", sa.BigInteger
)
ONE_AT_A_TIME = Prepared(
    "lock_account",
    sa.select(Account.__table__.c.id)
    .where(Account.__table__.c.id == stock.given("account_id", sa.Uuid))
    .with_for_update(key_share=True),
)


class Memory:
    """Remembered verdicts."""

    def __init__(self, redis_url: str) -> None:
        self._redis = (
            redis.Redis.from_url(redis_url, socket_connect_timeout=1, socket_timeout=1)
            if redis_url
            else None
        )

    def recall(self, account_id: UUID) -> bool | None:
        """The verdict that holds at this moment; None where there is none."""
        found = (
            self._from_redis(account_id)
            if self._redis is not None
            else self._from_database(account_id)
        )
        # At the very moment until which it holds, it does not hold any more.
        return found[0] if found is not None and clock.now() < found[1] else None

    def remember(self, account_id: UUID, ok: bool, valid_until: datetime) -> None:
        if valid_until <= clock.now():
            return
        if self._redis is not None:
            self._to_redis(account_id, ok, valid_until)
            return
        insert = upsert(_verdicts).values(account_id=account_id, ok=ok, valid_until=valid_until)
        with transaction(at_once=True):
            db.session.execute(
                insert.on_conflict_do_update(
                    index_elements=["account_id"],
                    set_={"ok": insert.excluded.ok, "valid_until": insert.excluded.valid_until},
                )
            )

    def _from_database(self, account_id: UUID) -> tuple[bool, datetime] | None:
        row = _VERDICT.execute({"account_id": account_id}).one_or_none()
        return None if row is None else (row.ok, row.valid_until)

    def _from_redis(self, account_id: UUID) -> tuple[bool, datetime] | None:
        assert self._redis is not None
        try:
            stored: Any = self._redis.get(_key(account_id))
        except redis.RedisError as error:
            log.warning("antifraud.memory_unavailable", error=type(error).__name__)
            return None
        if stored is None:
            return None
        ok, _, valid_until = stored.decode().partition(" ")
        return ok == YES, datetime.fromisoformat(valid_until)

    def _to_redis(self, account_id: UUID, ok: bool, valid_until: datetime) -> None:
        assert self._redis is not None
        try:
            # Redis drops it a little later; what holds is the moment itself.
            self._redis.set(
                _key(account_id),
                f"{YES if ok else NO} {valid_until.isoformat()}",
                exat=int(valid_until.timestamp()) + 1,
            )
        except redis.RedisError as error:
            log.warning("antifraud.memory_unavailable", error=type(error).__name__)


def _key(account_id: UUID) -> str:
    return f"coupons:antifraud:{account_id}"


class Service:
    """The antifraud service behind ANTIFRAUD_ADDRESS."""

    def __init__(self, address: str, connect_seconds: float, answer_seconds: float) -> None:
        self._url = (address if "://" in address else f"http://{address}").rstrip(
            "/"
        ) + "/api/validate"
        self._pool = urllib3.PoolManager(
            maxsize=SERVER_THREADS,
            retries=False,
            timeout=urllib3.Timeout(connect=connect_seconds, read=answer_seconds),
        )
        self._answer_seconds = answer_seconds

    def ask(self, email: str, promo_id: UUID) -> Answer:
        """Its answer; FAILED where twice there was none, or none that can be understood."""
        for _ in range(TRIES):
            try:
                return _understood(self._post({"user_email": email, "promo_id": str(promo_id)}))
            except (urllib3.exceptions.HTTPError, ValueError, RecursionError) as error:
                log.warning(
                    "antifraud.failed",
                    problem=str(error) if isinstance(error, _NoAnswer) else type(error).__name__,
                )
        return Answer(FAILED)

    def _post(self, question: dict[str, str]) -> bytes:
        deadline = monotonic() + self._answer_seconds
        response = self._pool.request(
            "POST", self._url, json=question, redirect=False, preload_content=False
        )
        try:
            if response.status != 200:
                raise _NoAnswer(f"status {response.status}")
            body = b""
            while chunk := response.read1(LONGEST_ANSWER):
                body += chunk
                # The pool's time-out is for each read; a service that sends a byte now and then would never meet it.
                if len(body) > LONGEST_ANSWER or monotonic() > deadline:
                    raise _NoAnswer("too long")
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return body


class _NoAnswer(ValueError):
    """The service was reached and gave no verdict."""


_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:\d{2})?", re.ASCII
)


def _understood(body: bytes) -> Answer:
    answer = json.loads(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise _NoAnswer("no verdict")
    return Answer(YES if answer["ok"] else NO, _moment(answer.get("cache_until")))


def _moment(text: object) -> datetime | None:
    """A moment in UTC as the service writes it, without a zone and with any number of digits; what is finer than a millisecond is cut off."""
    match = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    whole, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{whole}{zone or 'Z'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment + timedelta(milliseconds=int((fraction or "0")[:3].ljust(3, "0")))


@dataclass
class _Open:
    """A question that this process is asking or waiting for."""

    answered: threading.Event = field(default_factory=threading.Event)
    verdict: str = FAILED


class Antifraud:
    """What the activation asks. One for each application."""

    def __init__(
        self,
        address: str,
        redis_url: str,
        max_per_minute: int,
        *,
        connect_seconds: float,
        answer_seconds: float,
    ) -> None:
        self._service = Service(address, connect_seconds, answer_seconds) if address else None
        # Longer than the longest that asking can take; whoever holds a question for longer has died.
        self._lease = timedelta(seconds=TRIES * (connect_seconds + 2 * answer_seconds) + 2)
        self._memory = Memory(redis_url)
        self._max_per_minute = max_per_minute
        self._open: dict[UUID, _Open] = {}
        self._lock = threading.Lock()
        # A service that is slow must not take all threads away from everybody else.
        self._places = threading.Semaphore(max(1, SERVER_THREADS // 2))

    def allows(self, account_id: UUID, email: str, promo_id: UUID) -> bool:
        """Whether the user may be given a code. False too where the service gave no answer; raises Unavailable where too many wait for one.

        No transaction may be open: it can take seconds.
        """
        if self._service is None:
            # The built-in check is made with the claim.
            return True
        remembered = self._memory.recall(account_id)
        if remembered is not None:
            return remembered
        before_waiting()
        if not self._places.acquire(blocking=False):
            raise errors.Unavailable
        try:
            return (
                self._ask_or_wait(account_id, lambda service: service.ask(email, promo_id)) == YES
            )
        finally:
            self._places.release()

    @property
    def is_built_in(self) -> bool:
        return self._service is None

    def limit(self) -> dict[str, Any]:
        """The built-in check's parameters, for a claim under `NOT_TOO_MANY`."""
        return {"since": clock.now() - timedelta(minutes=1), "most": self._max_per_minute}

    def admits(self, account_id: UUID) -> bool:
        """The built-in check at this moment: whether the user has activated fewer promos in the last minute than are allowed."""
        if not self.is_built_in:
            return True
        limit = {f"given_{name}": value for name, value in self.limit().items()}
        return bool(
            _RECENT.execute({"given_account_id": account_id, **limit}).one().count
            < self._max_per_minute
        )

    def _ask_or_wait(self, account_id: UUID, ask: Callable[[Service], Answer]) -> str:
        with self._lock:
            mine = self._open.get(account_id)
            first = mine is None
            if mine is None:
                mine = self._open[account_id] = _Open()
        if not first:
            mine.answered.wait(2 * self._lease.total_seconds())
            return mine.verdict
        try:
            mine.verdict = self._ask_among_processes(account_id, ask)
        finally:
            with self._lock:
                del self._open[account_id]
            mine.answered.set()
        return mine.verdict

    def _ask_among_processes(self, account_id: UUID, ask: Callable[[Service], Answer]) -> str:
        question_id, is_mine = _open_question(account_id, self._lease)
        if not is_mine:
            return _wait_for(question_id)
        verdict = FAILED
        try:
            # Somebody may have asked and closed the question since we looked.
            remembered = self._memory.recall(account_id)
            if remembered is not None:
                verdict = YES if remembered else NO
                return verdict
            assert self._service is not None
            before_waiting()
            answer = ask(self._service)
            if answer.verdict != FAILED and answer.valid_until is not None:
                self._memory.remember(account_id, answer.verdict == YES, answer.valid_until)
            verdict = answer.verdict
            return verdict
        finally:
            _close(question_id, verdict)


def _open_question(account_id: UUID, lease: timedelta) -> tuple[UUID, bool]:
    """The user's open question, and whether it is ours to ask."""
    while True:
        now = clock.now()
        question_id = new_id()
        with transaction(at_once=True):
            opened = db.session.execute(
                upsert(_questions)
                .values(id=question_id, account_id=account_id, leased_until=now + lease)
                .on_conflict_do_nothing(
                    index_elements=[_questions.c.account_id],
                    index_where=_questions.c.answer.is_(None),
                )
            )
            if rows_changed(opened):
                return question_id, True
        row = db.session.execute(
            sa.select(_questions.c.id, _questions.c.leased_until).where(
                _questions.c.account_id == account_id, _questions.c.answer.is_(None)
            )
        ).one_or_none()
        if row is not None and row.leased_until > now:
            return row.id, False
        if row is not None:
            # Whoever asked it has died.
            _close(row.id, FAILED)


def _wait_for(question_id: UUID) -> str:
    """The answer to a question that another process asks; FAILED where that has died, which shows when its lease lapses."""
    pause = threading.Event()
    while True:
        found = db.session.execute(
            sa.select(_questions.c.answer, _questions.c.leased_until).where(
                _questions.c.id == question_id
            )
        ).one_or_none()
        if found is None:
            return FAILED
        if found.answer is not None:
            return str(found.answer)
        if found.leased_until <= clock.now():
            return FAILED
        before_waiting()
        pause.wait(PAUSE_SECONDS)


def _close(question_id: UUID, verdict: str) -> None:
    with transaction(at_once=True):
        db.session.execute(
            sa.update(_questions)
            .where(_questions.c.id == question_id, _questions.c.answer.is_(None))
            .values(answer=verdict)
        )
