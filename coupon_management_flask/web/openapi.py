"""OpenAPI 3.1 at /openapi.json and Swagger UI at /docs, whose files come from a package: no page loads anything from another host."""

from importlib.resources import files

import flask_smorest
from flask import Blueprint, Flask, Response, render_template, send_from_directory

from .. import __version__

docs = Blueprint("docs", __name__, template_folder="templates", static_folder="static", static_url_path="/docs/static")


class Api(flask_smorest.Api):
    """flask-smorest without its error handling: its bodies are no contract's, and its 405 drops `Allow`."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        pass


@docs.get("/docs")
def swagger_ui() -> str:
    return render_template("swagger_ui.html")


@docs.get("/docs/swagger-ui/<path:name>")
def swagger_ui_file(name: str) -> Response:
    return send_from_directory(str(files("flask_swagger_ui") / "dist"), name, max_age=86400)


def init_app(app: Flask) -> Api:
    app.config.update(
        API_TITLE="Coupon management",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": "One service, five contracts. Amounts of credit are whole numbers; times are RFC 3339 in UTC."},
            "components": {
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                }
            },
        },
    )
    app.register_blueprint(docs)

    return Api(app)
