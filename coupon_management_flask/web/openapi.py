"""OpenAPI 3.1 at /openapi.json and Swagger UI at /docs.

Swagger UI's files come from a package: no page loads anything from another host.
"""

from importlib.resources import files
from threading import Lock

import flask_smorest
import orjson
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask.typing import ResponseReturnValue

from .. import __version__
from . import caching
from .body import Routes
from .contract import error_response
from .operations import ErrorsPlugin

docs = Blueprint(
    "docs",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/docs/static",
)


class _Api(flask_smorest.Api):
    # flask-smorest's error bodies are no contract's, and its 405 drops `Allow`.
    DEFAULT_ERROR_RESPONSE_NAME = None

    def handle_http_exception(self, error: Exception) -> Response:
        return error_response(error)


class Document:
    """The description of an application's routes.

    It is written when somebody first asks for it, once: that takes longer than everything else that
    an application does to start.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._api = _Api(app, spec_kwargs={"extra_plugins": [ErrorsPlugin(app)]})
        self._routes: list[Routes] = []
        self._writing = Lock()
        self._text = b""
        self._packed: caching.Document | None = None

    def add(self, routes: Routes) -> None:
        """Register routes with the application, to be described."""
        self._app.register_blueprint(routes)
        self._routes.append(routes)

    def as_json(self) -> bytes:
        with self._writing:
            if not self._text:
                self._text = self._written()
        return self._text

    def answer(self) -> Response:
        text = self.as_json()
        with self._writing:
            self._packed = self._packed or caching.Document(text, "application/json")
        return self._packed.answer("no-cache")

    def _written(self) -> bytes:
        spec = self._api.spec
        for routes in self._routes:
            routes.register_views_in_doc(
                self._api, self._app, spec, name=routes.name, parameters=None
            )
        for tag, description in {one.tag: one.description for one in self._routes}.items():
            spec.tag({"name": tag, "description": description})
        # flask-smorest describes an error body and page numbers that no contract has.
        for unused in ("Error", "PaginationMetadata"):
            spec.components.schemas.pop(unused, None)
        return orjson.dumps(spec.to_dict(), option=orjson.OPT_NON_STR_KEYS)


@docs.get("/openapi.json")
def openapi_json() -> Response:
    document: Document = current_app.extensions["openapi"]
    return document.answer()


@docs.app_errorhandler(404)
def lead_to_the_description(error: Exception) -> ResponseReturnValue:
    """Lead a browser from where there is nothing but a beginning to what there is."""
    if request.path != "/" or request.method not in ("GET", "HEAD"):
        return error_response(error)
    is_browser = "text/html" in request.headers.get("Accept", "")
    answer = redirect(url_for("docs.swagger_ui")) if is_browser else error_response(error)
    answer.headers["Vary"] = "Accept"
    return answer


@docs.get("/docs")
def swagger_ui() -> str:
    return render_template("swagger_ui.html")


@docs.get("/docs/swagger-ui/<path:name>")
def swagger_ui_file(name: str) -> Response:
    return send_from_directory(str(files("flask_swagger_ui") / "dist"), name, max_age=86400)


def init_app(app: Flask) -> Document:
    """Serve the description of the routes that are added to the returned document."""
    app.config.update(
        API_TITLE="Coupon management",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "info": {
                "description": "One service, five contracts. "
                "Amounts of credit are whole numbers; times are RFC 3339 in UTC."
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
    document = app.extensions["openapi"] = Document(app)
    return document
