"""Looks at what the service needs."""

import redis
import sqlalchemy as sa

from .. import __version__, config
from ..db.failures import is_unavailable
from ..db.session import db
from ..messaging.mail import sender


def look() -> dict[str, str]:
    """Healthy as long as the database answers; everything else the service can do without for a while."""
    database = _database()
    return {
        "status": "healthy" if database == "ok" else "unhealthy",
        "flask": "running",
        "database": database,
        "redis": _redis(config.current().redis_url),
        "mail": _mail(database),
        "version": __version__,
    }


def _database() -> str:
    try:
        db.session.execute(sa.text("SELECT 1"))
    except Exception as error:
        if not is_unavailable(error):
            raise
        return "failing"
    return "ok"


def _mail(database: str) -> str:
    if not sender.is_configured():
        return "not configured"
    # Mails are taken from the database.
    return "ok" if database == "ok" and not sender.is_failing() else "failing"


def _redis(url: str) -> str:
    if not url:
        return "not configured"
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            client.ping()
    except redis.RedisError:
        return "failing"
    return "ok"
