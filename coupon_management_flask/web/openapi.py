"""OpenAPI 3.1 at /openapi.json and Swagger UI at /docs, whose files come from a package: no page loads anything from another host."""

from importlib.resources import files
from threading import Lock
from typing import Any

import flask_smorest
import orjson
from flask import Blueprint, Flask, Response, render_template, send_from_directory

from .. import __version__
from .body import Routes

docs = Blueprint(
    "docs",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/docs/static",
)


class Api(flask_smorest.Api):
    """flask-smorest without its error handling: its bodies are no contract's, and its 405 drops `Allow`.

    The description is written when somebody first asks for it, once: it takes longer than all else that an application does to start.
    """

    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self._undescribed: list[Routes] = []
        self._describing = Lock()
        self._description = b""

    def register_blueprint(self, blp: Routes, **options: Any) -> None:
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blp.name] = self
        self._app.register_blueprint(blp, **options)
        self._undescribed.append(blp)

    def _openapi_json(self) -> Response:
        with self._describing:
            if not self._description:
                for blueprint in self._undescribed:
                    blueprint.register_views_in_doc(
                        self, self._app, self.spec, name=blueprint.name, parameters=None
                    )
                tags = {one.tag: one.description for one in self._undescribed}
                for name, description in tags.items():
                    self.spec.tag({"name": name, "description": description})
                self._description = orjson.dumps(
                    self.spec.to_dict(), option=orjson.OPT_NON_STR_KEYS
                )
        return Response(self._description, mimetype="application/json")

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
            "info": {
                "description": "One service, five contracts. Amounts of credit are whole numbers; times are RFC 3339 in UTC."
            },
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
