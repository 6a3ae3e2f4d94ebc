"""Remembers verdicts by user: in Redis, or in the database where there is none.

A Redis that is down means that the service is asked.
"""

from datetime import datetime
from typing import Protocol, cast
from uuid import UUID

import redis
import sqlalchemy as sa
import structlog

from ...core import clock
from ...db.dialects import upsert
from ...db.session import db, transaction
from ...db.statements import Prepared
from ...models import AntifraudAnswer, AntifraudVerdict

log = structlog.get_logger(__name__)


class Memory(Protocol):
    """Where verdicts are remembered. Of a user it holds the last one."""

    def recall(self, account_id: UUID) -> bool | None:
        """Return the verdict that holds at this moment; None where there is none."""

    def remember(self, account_id: UUID, ok: bool, valid_until: datetime) -> None: ...


def memory_at(redis_url: str) -> Memory:
    """Return the memory in this Redis; the one in the database where the URL is empty."""
    return _RedisMemory(redis_url) if redis_url else _DatabaseMemory()


def _holds(valid_until: datetime) -> bool:
    """Return whether it is still before that moment. At the moment itself, a verdict has ended."""
    return clock.now() < valid_until


_VERDICT = Prepared(
    "antifraud_verdict",
    sa.select(AntifraudVerdict.ok, AntifraudVerdict.valid_until).where(
        AntifraudVerdict.account_id == sa.bindparam("account_id", type_=sa.Uuid)
    ),
)


class _DatabaseMemory:
    def recall(self, account_id: UUID) -> bool | None:
        row = _VERDICT.execute({"account_id": account_id}).one_or_none()
        return bool(row.ok) if row is not None and _holds(row.valid_until) else None

    def remember(self, account_id: UUID, ok: bool, valid_until: datetime) -> None:
        if not _holds(valid_until):
            return
        insert = upsert(AntifraudVerdict).values(
            account_id=account_id, ok=ok, valid_until=valid_until
        )
        with transaction(at_once=True):
            db.session.execute(
                insert.on_conflict_do_update(
                    index_elements=["account_id"],
                    set_={"ok": insert.excluded.ok, "valid_until": insert.excluded.valid_until},
                )
            )


class _RedisMemory:
    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)

    def recall(self, account_id: UUID) -> bool | None:
        try:
            stored = cast("bytes | None", self._redis.get(_key(account_id)))
        except redis.RedisError as error:
            _log_unavailable(error)
            return None
        if stored is None:
            return None
        answer, _, valid_until = stored.decode().partition(" ")
        if not _holds(datetime.fromisoformat(valid_until)):
            return None
        return answer == AntifraudAnswer.YES

    def remember(self, account_id: UUID, ok: bool, valid_until: datetime) -> None:
        if not _holds(valid_until):
            return
        answer = AntifraudAnswer.YES if ok else AntifraudAnswer.NO
        try:
            # Redis drops it up to a second later. What counts is the moment that is stored.
            self._redis.set(
                _key(account_id),
                f"{answer} {valid_until.isoformat()}",
                exat=int(valid_until.timestamp()) + 1,
            )
        except redis.RedisError as error:
            _log_unavailable(error)


def _key(account_id: UUID) -> str:
    return f"coupons:antifraud:{account_id}"


def _log_unavailable(error: redis.RedisError) -> None:
    log.warning("antifraud.memory_unavailable", error=type(error).__name__)
