"""Idempotency-Key: a request happens once, however often it is sent, and is answered the same.

The key's row is committed first, with a lease. The answer is stored by the last statement of the
transaction that did the work, so that both are in the database together or not at all. A lease that
lapsed without an answer proves that nothing was done.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

import sqlalchemy as sa
from flask import Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ..core import clock, errors
from ..db.dialects import rows_changed, upsert
from ..db.held_commit import held_commit
from ..db.session import db, transaction
from ..identity.keyed_hashes import keyed_hash
from ..models import IdempotencyKey, new_id
from .aliases import original_path
from .contract import error_response
from .security import look_at_body

LEASE = timedelta(seconds=30)
KEPT = timedelta(hours=24)
LONGEST = 255

_KEYED = "keyed:"

# The plain table: by the ORM each statement of a keyed request would cost more.
_keys = cast(sa.Table, IdempotencyKey.__table__)


@dataclass(frozen=True, slots=True)
class _Lease:
    key_id: UUID
    lease_id: UUID


def once(account_id: UUID, work: Callable[[], ResponseReturnValue]) -> Response:
    """Do the work, or return the answer that it had. Without the header, just do the work.

    Answers of 2xx and refusals by business rules are kept, but for 401, 429 and 5xx. After
    anything else the key is free again.

    Raises: KeyReused where the key belongs to another request; RequestInProgress while the first
    still runs.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return current_app.make_response(work())
    if not 1 <= len(key) <= LONGEST:
        raise errors.Invalid({"Idempotency-Key": [f"It must have 1 to {LONGEST} characters."]})
    lease = _take_lease(account_id, key)
    if isinstance(lease, Response):
        return lease
    try:
        with held_commit() as held:
            try:
                answer = current_app.make_response(work())
            except (errors.Refused, errors.Conflict) as refusal:
                answer = error_response(refusal)
                if answer.status_code in (401, 429) or answer.status_code >= 500:
                    held.settle()
                    raise
            except errors.DomainError:
                # The answer is not kept. What the use case committed before it raised (a failed
                # attempt, for one) was meant to stay.
                held.settle()
                raise
            held.finish(lambda session: _keep(session, lease, answer))
            return answer
    except BaseException:
        _give_up(lease)
        raise


def _parts() -> tuple[bytes, ...]:
    """Return what makes a request the same request, but for its body."""
    return request.method.encode(), original_path().rstrip("/").encode(), request.query_string


def _fingerprint() -> str:
    """Return what is kept of a request.

    A body may hold a password, so the hash is keyed. It says so itself, for what was kept before
    was a bare one.
    """
    body = hashlib.sha256()
    for piece in look_at_body():
        body.update(piece)
    return _KEYED + keyed_hash("idempotency", *_parts(), body.digest())


def _is_this_request(kept: str, fingerprint: str) -> bool:
    """Return whether a fingerprint that was kept, of whichever form, is that of this request."""
    if kept.startswith(_KEYED):
        return kept == fingerprint
    digest = hashlib.sha256()
    for part in _parts():
        digest.update(len(part).to_bytes(8, "big") + part)
    digest.update(sum(map(len, look_at_body())).to_bytes(8, "big"))
    for piece in look_at_body():
        digest.update(piece)
    return kept == digest.hexdigest()


def _take_lease(account_id: UUID, key: str) -> _Lease | Response:
    fingerprint = known_as = _fingerprint()
    while True:
        lease = _insert_or_take_over(account_id, key, fingerprint, known_as)
        if lease is not None:
            return lease
        row = db.session.execute(
            sa.select(_keys).where(_keys.c.account_id == account_id, _keys.c.key == key)
        ).one_or_none()
        if row is None:
            # The first request has just failed and given its key back.
            continue
        if not _is_this_request(row.fingerprint, fingerprint):
            raise errors.KeyReused
        if row.status is not None:
            return Response(
                row.body, row.status, {"Idempotent-Replayed": "true"}, mimetype="application/json"
            )
        if row.fingerprint == known_as:
            raise errors.RequestInProgress(retry_after=1)
        # It was kept in the old form. Where its lease has lapsed, it is taken over in that form.
        known_as = row.fingerprint


def _insert_or_take_over(
    account_id: UUID, key: str, fingerprint: str, known_as: str
) -> _Lease | None:
    """Take a key that is new, or over a day old, or whose lease lapsed without an answer.

    The last belongs to the same request, `known_as` its fingerprint.
    """
    now = clock.now()
    lease_id = new_id()
    insert = upsert(_keys).values(
        id=new_id(),
        account_id=account_id,
        key=key,
        fingerprint=fingerprint,
        lease_id=lease_id,
        leased_until=now + LEASE,
        created_at=now,
    )
    lapsed = sa.and_(
        _keys.c.status.is_(None), _keys.c.leased_until <= now, _keys.c.fingerprint == known_as
    )
    statement = insert.on_conflict_do_update(
        index_elements=[_keys.c.account_id, _keys.c.key],
        set_={
            name: insert.excluded[name]
            for name in ("fingerprint", "lease_id", "leased_until", "created_at")
        }
        | {"status": None, "body": None},
        where=sa.or_(_keys.c.created_at <= now - KEPT, lapsed),
    ).returning(_keys.c.id)
    with transaction():
        key_id = db.session.scalar(statement)
    return None if key_id is None else _Lease(key_id, lease_id)


def _keep(session: Session, lease: _Lease, answer: Response) -> None:
    kept = session.execute(
        sa.update(_keys)
        .where(_keys.c.id == lease.key_id, _keys.c.lease_id == lease.lease_id)
        .values(status=answer.status_code, body=answer.get_data())
    )
    if rows_changed(kept) != 1:
        # We took longer than our lease and somebody took over. What they do counts; ours is rolled
        # back.
        raise errors.RequestInProgress(retry_after=1)


def _give_up(lease: _Lease) -> None:
    with transaction():
        db.session.execute(
            sa.delete(_keys).where(_keys.c.id == lease.key_id, _keys.c.lease_id == lease.lease_id)
        )
