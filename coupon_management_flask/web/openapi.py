"""OpenAPI 3.1 at /openapi.json and Swagger UI at /docs.

Swagger UI's files come from a package: no page loads anything from another host.
"""

from functools import cache
from importlib.resources import files
from mimetypes import guess_type
from threading import Lock

import flask_smorest
import orjson
from flask import Blueprint, Flask, Response, current_app, render_template
from werkzeug.exceptions import NotFound

from .. import __version__, config
from .body import Routes
from .contract import error_response
from .describing import SECURITY_SCHEMES, OperationsPlugin
from .document import finish
from .packed import Packed

docs = Blueprint(
    "docs",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/docs/static",
)


_SWAGGER_UI = files("flask_swagger_ui") / "dist"

# flask-smorest's own, of an error body and page numbers that no contract has.
UNUSED = ("Error", "PaginationMetadata")


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
        self._operations = OperationsPlugin(app)
        self._api = _Api(app, spec_kwargs={"extra_plugins": [self._operations]})
        self._routes: list[Routes] = []
        self._writing = Lock()
        self._packed: Packed | None = None

    def add(self, routes: Routes) -> None:
        """Register routes with the application, to be described."""
        self._app.register_blueprint(routes)
        self._routes.append(routes)

    def as_json(self) -> Packed:
        with self._writing:
            if self._packed is None:
                self._packed = Packed(self._written(), "application/json")
        return self._packed

    def _written(self) -> bytes:
        spec = self._api.spec
        for routes in self._routes:
            routes.register_views_in_doc(
                self._api, self._app, spec, name=routes.name, parameters=None
            )
        for tag, description in {one.tag: one.description for one in self._routes}.items():
            spec.tag({"name": tag, "description": description})
        for unused in UNUSED:
            spec.components.schemas.pop(unused, None)
        document = spec.to_dict()
        components = self._api.ma_plugin.converter.refs
        classes = {name: key[0] for key, name in components.items()}
        finish(document, self._operations, {n: c for n, c in classes.items() if n not in UNUSED})
        return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)


@docs.get("/openapi.json")
def openapi_json() -> Response:
    document: Document = current_app.extensions["openapi"]
    return document.as_json().answer(max_age=0)


@docs.get("/docs")
def swagger_ui() -> str:
    return render_template("swagger_ui.html")


@docs.get("/docs/swagger-ui/<path:name>")
def swagger_ui_file(name: str) -> Response:
    if name not in _swagger_ui_names():
        raise NotFound
    return _swagger_ui_packed(name).answer(max_age=86400)


@cache
def _swagger_ui_names() -> frozenset[str]:
    return frozenset(file.name for file in _SWAGGER_UI.iterdir() if file.is_file())


@cache
def _swagger_ui_packed(name: str) -> Packed:
    # The script is 1.7 MB as it comes.
    content_type, _ = guess_type(name)
    return Packed((_SWAGGER_UI / name).read_bytes(), content_type or "application/octet-stream")


def init_app(app: Flask, settings: config.Settings) -> Document:
    """Serve the description of the routes that are added to the returned document."""
    app.config.update(
        API_TITLE="Coupon management",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "info": {
                "description": "One service, five contracts. "
                "Amounts of credit are whole numbers; times are RFC 3339 in UTC.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": settings.public_url.rstrip("/")}],
            "components": {"securitySchemes": SECURITY_SCHEMES},
        },
    )
    app.register_blueprint(docs)
    document = app.extensions["openapi"] = Document(app)
    return document
