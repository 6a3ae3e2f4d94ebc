"""Looks at what the service needs."""

from dataclasses import dataclass
from enum import StrEnum

import redis
import sqlalchemy as sa

from .. import __version__, config
from ..db.failures import is_unavailable
from ..db.session import db
from ..messaging.mail import sender


class State(StrEnum):
    OK = "ok"
    NOT_CONFIGURED = "not configured"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Health:
    """How the service and what it needs are doing."""

    database: State
    redis: State
    mail: State
    version: str = __version__
    flask: str = "running"

    @property
    def is_healthy(self) -> bool:
        """Whether the database answers. The service can do without the rest for a while."""
        return self.database == State.OK

    @property
    def status(self) -> str:
        return "healthy" if self.is_healthy else "unhealthy"


def look() -> Health:
    database = _database()
    return Health(database, _redis(config.current().redis_url), _mail(database))


def _database() -> State:
    try:
        db.session.execute(sa.text("SELECT 1"))
    except Exception as error:
        if not is_unavailable(error):
            raise
        return State.FAILING
    return State.OK


def _mail(database: State) -> State:
    if not sender.is_configured():
        return State.NOT_CONFIGURED
    # Mails are taken from the database.
    is_ok = database == State.OK and not sender.is_failing()
    return State.OK if is_ok else State.FAILING


def _redis(url: str) -> State:
    if not url:
        return State.NOT_CONFIGURED
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            client.ping()
    except redis.RedisError:
        return State.FAILING
    return State.OK
