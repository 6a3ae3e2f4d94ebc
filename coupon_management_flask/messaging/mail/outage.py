"""Whether the mail server works, as whichever process last sent a mail has noted it."""

import sqlalchemy as sa
import structlog

from ...core import clock
from ...db.dialects import upsert
from ...db.session import db, transaction
from ...models import Outage

OUTAGE = "mail"

_IS_NOTED = sa.select(sa.exists().where(Outage.name == OUTAGE))

log = structlog.get_logger(__name__)


def is_noted() -> bool:
    return bool(db.session.scalar(_IS_NOTED))


def note(failure: str | None) -> None:
    """Note that the server failed for this reason, or with None that it did not."""
    try:
        was_noted = is_noted()
        if failure is not None and not was_noted:
            with transaction():
                db.session.execute(
                    upsert(Outage)
                    .values(name=OUTAGE, since=clock.now(), error=failure)
                    .on_conflict_do_nothing()
                )
            log.error("mail.outage", error=failure)
        elif failure is None and was_noted:
            with transaction():
                db.session.execute(sa.delete(Outage).where(Outage.name == OUTAGE))
            log.info("mail.outage_over")
    except sa.exc.SQLAlchemyError as error:
        # What became of the mail is certain; a failure to note it must not change that.
        log.warning("mail.outage_not_noted", error=type(error).__name__)
    finally:
        db.session.remove()
