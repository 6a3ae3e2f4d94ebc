"""What must be right before a process serves or works, and what its start warns of."""

import click
import structlog
from sqlalchemy.exc import SQLAlchemyError

from .. import config
from ..config import production
from ..db import schema
from ..db.failures import is_unavailable
from ..db.session import db
from ..messaging import loop
from ..text.hosts import is_loopback

log = structlog.get_logger(__name__)


def check_database() -> None:
    """Refuse a database that is away, or whose tables are not those of this release.

    Raises: ClickException, a sentence for the operator.
    """
    sentence = schema.refusal()
    if sentence is not None:
        raise click.ClickException(sentence)


def check_schema() -> None:
    """Refuse a database whose tables are not those of this release. One that is away is waited for.

    A server other than ours starts a worker anew at any time, also while the database is away, and
    gives up altogether where that one does not start.

    Raises: ClickException, a sentence for the operator.
    """
    try:
        schema.look()
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        log.warning("start.database_unavailable", says=schema.explanation(error))
    else:
        check_database()


def warn(*, works_itself: bool) -> None:
    """Log what the service can start with and hardly should, a line for each."""
    for setting, says in production.warnings(config.current()):
        log.warning("start.setting", setting=setting, says=says)
    if not works_itself and not _is_background_running():
        log.warning(
            "start.no_background",
            says="nothing delivers mails and webhooks and runs the jobs: start `flask worker`, or "
            "`celery worker` and `celery beat` where CELERY_BROKER_URL is set",
        )


def warn_of_strangers(host: str) -> None:
    """Warn where others reach a server whose SECRET_KEY everybody knows."""
    if not config.current().is_production and not is_loopback(host):
        log.warning(
            "start.setting",
            setting="APP_ENV",
            says=f"is development, whose SECRET_KEY everybody knows, and others reach {host}",
        )


def let_go() -> None:
    """Close the connections that the checks used: processes that are forked must share none."""
    db.session.remove()
    for engine in db.engines.values():
        engine.dispose()


def _is_background_running() -> bool:
    try:
        return loop.is_running()
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        # It has been logged already.
        return True
