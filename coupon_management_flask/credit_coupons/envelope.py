"""The envelope around every answer of `/v1`, on success and on error."""

from http import HTTPStatus
from typing import Any

import marshmallow as ma

from ..core import clock
from ..web.body import Moment, Routes
from ..web.contract import Problem

# Clients of this contract read these words. The standard library's own change from version to
# version.
_STATUS_NAMES = {
    200: "OK",
    201: "CREATED",
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "REQUEST_ENTITY_TOO_LARGE",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
}


def envelope(status: int, data: object, error: object) -> dict[str, object]:
    now = clock.now().replace(microsecond=0)
    name = _STATUS_NAMES.get(status) or HTTPStatus(status).name
    return {
        "http_status_code": status,
        "http_status": name,
        "data": data,
        "error": error,
        "timestamp": now,
    }


def _fields(
    data: ma.fields.Field[Any], error: ma.fields.Field[Any]
) -> dict[str, ma.fields.Field[Any]]:
    return {
        "http_status_code": ma.fields.Integer(required=True),
        "http_status": ma.fields.String(required=True),
        "data": data,
        "error": error,
        "timestamp": Moment(required=True),
    }


def _nothing() -> ma.fields.Field[Any]:
    """Return the part of an envelope that has nothing to tell: an empty object."""
    return ma.fields.Dict(required=True)


def enveloped(name: str, status: int = 200, **data: ma.fields.Field[Any]) -> ma.Schema:
    """Make a schema that puts what a view returns into the envelope.

    A view returns a mapping with these fields, or an object. `name` is the schema's name in
    OpenAPI.
    """

    class Enveloped(ma.Schema):
        @ma.pre_dump
        def wrap(self, returned: object, **_: Any) -> dict[str, object]:
            return envelope(status, returned, {})

    inside = ma.Schema.from_dict(dict(data), name=f"{name}Data")()
    schema: ma.Schema = type(
        name, (Enveloped,), _fields(ma.fields.Nested(inside, required=True), _nothing())
    )()
    return schema


class ErrorDetailSchema(ma.Schema):
    message = ma.fields.String(required=True)
    error_code = ma.fields.String(required=True)


CreditErrorSchema = ma.Schema.from_dict(
    _fields(_nothing(), ma.fields.Nested(ErrorDetailSchema(), required=True)),
    name="CreditErrorSchema",
)

_error = CreditErrorSchema()


def render_error(problem: Problem) -> dict[str, object]:
    return _error.dump(  # type: ignore[no-any-return]
        envelope(
            problem.status, {}, {"message": problem.sentence(), "error_code": problem.error_code}
        )
    )


def credit_routes(name: str, import_name: str, **options: Any) -> Routes:
    """Make routes of `/v1`, whose errors come in the envelope too."""
    return Routes(name, import_name, error_schema=_error, **options)
