"""Looks at what the service needs."""

from dataclasses import dataclass
from enum import StrEnum

import redis

from .. import __version__, config
from ..db import schema
from ..db.failures import is_unavailable
from ..messaging import loop
from ..messaging.mail import sender


class State(StrEnum):
    OK = "ok"
    NOT_CONFIGURED = "not configured"
    FAILING = "failing"
    WRONG_SCHEMA = "wrong schema"
    NOT_RUNNING = "not running"


@dataclass(frozen=True, slots=True)
class Health:
    """How the service and what it needs are doing."""

    database: State
    redis: State
    mail: State
    background: State
    version: str = __version__
    flask: str = "running"

    @property
    def is_healthy(self) -> bool:
        """Whether the database answers, with the tables of this release.

        The service can do without the rest for a while.
        """
        return self.database == State.OK

    @property
    def status(self) -> str:
        return "healthy" if self.is_healthy else "unhealthy"


def look() -> Health:
    database = _database()
    return Health(
        database, _redis(config.current().redis_url), _mail(database), _background(database)
    )


def _database() -> State:
    try:
        found = schema.look()
    except Exception as error:
        if not is_unavailable(error):
            raise
        return State.FAILING
    return State.OK if found == schema.Schema.KNOWN else State.WRONG_SCHEMA


def _mail(database: State) -> State:
    if not sender.is_configured():
        return State.NOT_CONFIGURED
    # Mails are taken from the database.
    is_ok = database == State.OK and not sender.is_failing()
    return State.OK if is_ok else State.FAILING


def _background(database: State) -> State:
    if database != State.OK:
        return State.FAILING
    return State.OK if loop.is_running() else State.NOT_RUNNING


def _redis(url: str) -> State:
    if not url:
        return State.NOT_CONFIGURED
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            client.ping()
    except redis.RedisError:
        return State.FAILING
    return State.OK
