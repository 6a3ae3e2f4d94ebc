"""Whether the mail server works, as whichever process last sent a mail has noted it.

A server that refuses one recipient works. One that has refused two, and accepted nothing in
between, refuses everything: most likely it does not know our sender.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
import structlog

from ... import config
from ...core import clock
from ...db.dialects import upsert
from ...db.session import db, transaction
from ...models import MailRefusal, Outage

OUTAGE = "mail"
# Of so many recipients, one after another, it is not each one's own fault.
EVERYBODY = 2

_IS_NOTED = sa.select(sa.exists().where(Outage.name == OUTAGE))
_REFUSED = sa.select(sa.func.count()).select_from(MailRefusal).scalar_subquery()
_NOTED_AND_REFUSED = sa.select(sa.exists().where(Outage.name == OUTAGE), _REFUSED)

log = structlog.get_logger(__name__)


def is_noted() -> bool:
    return bool(db.session.scalar(_IS_NOTED))


def note_failure(reason: str) -> None:
    """Note that the server failed for this reason."""
    with _whatever_happens():
        _begin(reason)


def note_acceptance() -> None:
    """Note that the server has accepted a mail."""
    with _whatever_happens():
        was_noted, refused = db.session.execute(_NOTED_AND_REFUSED).one()
        if refused:
            with transaction():
                db.session.execute(sa.delete(MailRefusal))
        if was_noted:
            _end()


def note_answer() -> None:
    """Note that the server works, as what it said of one mail alone shows."""
    with _whatever_happens():
        was_noted, refused = db.session.execute(_NOTED_AND_REFUSED).one()
        if was_noted and refused < EVERYBODY:
            _end()


def note_refusal(recipient: str, reason: str) -> bool:
    """Note that the server refused this recipient's mail for good.

    Whose fault it is it has not said. Return whether it refuses everybody's.
    """
    refused = 0
    with _whatever_happens():
        was_noted, refused = db.session.execute(_NOTED_AND_REFUSED).one()
        if refused < EVERYBODY:
            with transaction():
                db.session.execute(
                    upsert(MailRefusal)
                    .values(recipient_digest=_digest(recipient), refused_at=clock.now())
                    .on_conflict_do_nothing()
                )
            was_noted, refused = db.session.execute(_NOTED_AND_REFUSED).one()
        if refused >= EVERYBODY:
            _begin(reason)
        elif was_noted:
            _end()
    return int(refused) >= EVERYBODY


def _begin(reason: str) -> None:
    if is_noted():
        return
    with transaction():
        db.session.execute(
            upsert(Outage)
            .values(name=OUTAGE, since=clock.now(), error=reason)
            .on_conflict_do_nothing()
        )
    log.error("mail.outage", error=reason)


def _end() -> None:
    with transaction():
        db.session.execute(sa.delete(Outage).where(Outage.name == OUTAGE))
    log.info("mail.outage_over")


def _digest(recipient: str) -> str:
    key = f"mail refusals {config.current().secret_key}"
    return hmac.digest(key.encode(), recipient.lower().encode(), "sha256").hex()


@contextmanager
def _whatever_happens() -> Iterator[None]:
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        # What became of the mail is certain; a failure to note it must not change that.
        log.warning("mail.outage_not_noted", error=type(error).__name__)
    finally:
        db.session.remove()
