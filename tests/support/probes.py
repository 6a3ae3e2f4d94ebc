"""Routes that only tests have, for what no route of the service does on demand."""

from collections.abc import Callable
from typing import Any

import marshmallow as ma
from flask import Flask

from coupon_management_flask.web.body import (
    EmailAddress,
    Moment,
    QueryTruth,
    Routes,
    Text,
    Truth,
    Whole,
)
from coupon_management_flask.web.guard import guard
from coupon_management_flask.web.pagination import PageQuery


class Form(ma.Schema):
    """A field of each kind."""

    whole = Whole(-5, 1_000_000_000)
    truth = Truth()
    text = Text(1, 10)
    moment = Moment()
    email = EmailAddress()


class Query(PageQuery):
    all = QueryTruth(load_default=False)


def add_guarded(app: Flask, path: str, view: Callable[..., Any], **guarding: Any) -> None:
    """Add a route that a guard protects. POST changes something, GET does not."""
    app.add_url_rule(
        path, endpoint=path, view_func=guard(**guarding)(view), methods=["GET", "POST"]
    )


def add_form(app: Flask, prefix: str) -> None:
    """Add `POST <prefix>/form`, which reads a body, and `GET <prefix>/form`, which reads a query.

    Both answer with what they understood.
    """
    routes = Routes(
        f"form{prefix.replace('/', '-')}", __name__, error_schema=ma.Schema(), url_prefix=prefix
    )

    @routes.route("/form", methods=["POST"])
    @routes.arguments(Form())
    @routes.response(200, Form())
    def read_body(body: dict[str, Any]) -> dict[str, Any]:
        return body

    @routes.route("/form", methods=["GET"])
    @routes.arguments(Query(), location="query")
    def read_query(query: dict[str, Any]) -> dict[str, Any]:
        return query

    app.register_blueprint(routes)
