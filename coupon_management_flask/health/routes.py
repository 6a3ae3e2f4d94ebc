"""`/api/health`, `/api/health/live`, `/api/test`."""

import marshmallow as ma

from .. import __version__
from ..web.body import Routes
from . import service
from .described import HEALTH
from .service import Health


class HealthSchema(ma.Schema):
    status = ma.fields.String(required=True, metadata={"enum": ["healthy", "unhealthy"]})
    flask = ma.fields.String(required=True)
    database = ma.fields.String(required=True, metadata={"enum": ["ok", "failing", "wrong schema"]})
    redis = ma.fields.String(required=True, metadata={"enum": ["ok", "not configured", "failing"]})
    mail = ma.fields.String(required=True, metadata={"enum": ["ok", "not configured", "failing"]})
    background = ma.fields.String(
        required=True, metadata={"enum": ["ok", "not running", "failing"]}
    )
    version = ma.fields.String(required=True)


class HealthErrorSchema(ma.Schema):
    error = ma.fields.String(required=True)
    message = ma.fields.String(required=True)
    error_code = ma.fields.String(required=True)


class LiveSchema(ma.Schema):
    status = ma.fields.String(required=True)


class TestSchema(ma.Schema):
    message = ma.fields.String(required=True)
    version = ma.fields.String(required=True)


routes: Routes = Routes(
    "health",
    __name__,
    error_schema=HealthErrorSchema(),
    described=HEALTH,
    url_prefix="/api",
    description="Is the service well?",
)


@routes.route("/health", methods=["GET"])
@routes.response(200, HealthSchema())
@routes.alt_response(
    503,
    schema=HealthSchema(),
    description="The database can't be reached, or lacks this release's tables",
)
def health() -> Health | tuple[Health, int, dict[str, str]]:
    """What the service needs, and whether it is there"""
    found = service.look()
    return found if found.is_healthy else (found, 503, {"Retry-After": "1"})


@routes.route("/health/live", methods=["GET"])
@routes.response(200, LiveSchema())
def live() -> dict[str, str]:
    """Answers without looking at anything"""
    return {"status": "healthy"}


@routes.route("/test", methods=["GET"])
@routes.response(200, TestSchema())
def test() -> dict[str, str]:
    """A greeting, to see that requests arrive"""
    return {"message": "API is working!", "version": __version__}
