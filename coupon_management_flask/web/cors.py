"""Which websites' scripts may call from a browser, without cookies, and what they may read.

The popup's part of the API has a policy of its own, for it stands on other websites than an app.
Flask-CORS writes the headers, and is asked for those requests alone that name an origin.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, request
from flask_cors.core import get_cors_headers, serialize_options
from werkzeug.datastructures import EnvironHeaders

from .. import config

POPUP = "/api/coupons"
# It says by itself that any page may load it.
_SCRIPT = "/popup.js"

_EXPOSED = [
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
    "X-Total-Count",
]
_ALLOWED = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "X-API-Key",
    # What tools that trace a request through several services add to each of a page's.
    "X-Request-ID",
    "X-Correlation-ID",
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
    "b3",
    "X-B3-.*",
    "X-Amzn-Trace-Id",
    "X-Cloud-Trace-Context",
    "X-Datadog-.*",
    "elastic-apm-traceparent",
    "newrelic",
    "uber-trace-id",
]

_LOOPBACK = r"https?://([a-z0-9-]+\.)*localhost(:\d+)?|https?://(127(\.\d+){3}|\[::1\])(:\d+)?"

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may read answers. `options` are Flask-CORS's, None where nobody may."""

    options: Any
    # What answers to no origin in particular say: the same as to any, or that others are told more.
    others: Headers

    @classmethod
    def of(cls, origins: Iterable[str]) -> "Policy":
        """Return the policy that lets these origins in. They are patterns; `*` is any."""
        patterns = list(origins)
        if not patterns:
            return cls(None, [])
        is_any = "*" in patterns
        options = serialize_options(
            {
                "origins": "*" if is_any else [re.compile(f"(?:{'|'.join(patterns)})\\Z", re.I)],
                "methods": ["GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"],
                "allow_headers": _ALLOWED,
                "expose_headers": _EXPOSED,
                "max_age": 600,
                "send_wildcard": is_any,
                "always_send": is_any,
                "vary_header": False,
            }
        )
        if is_any:
            return cls(options, _written(get_cors_headers(options, EnvironHeaders({}), "GET")))
        return cls(options, [("Vary", "Origin")])

    def headers(self, environ: dict[str, Any]) -> Headers:
        if self.options is None or "HTTP_ORIGIN" not in environ:
            return self.others
        told = get_cors_headers(self.options, EnvironHeaders(environ), environ["REQUEST_METHOD"])
        return [*_written(told), *(one for one in self.others if one[0] == "Vary")]


def _written(headers: Any) -> Headers:
    return [(name, str(value)) for name, value in headers.items()]


class CrossOrigin:
    """The policies of one application."""

    def __init__(self, settings: config.Settings) -> None:
        named = [
            origin if origin == "*" else re.escape(origin)
            for origin in settings.cors_allowed_origins
        ]
        if not settings.is_production:
            named.append(_LOOPBACK)
        websites = settings.coupon_allowed_websites
        self._others = Policy.of(named)
        self._popup = Policy.of([*map(_pattern, websites), *named] if websites else ["*"])

    def headers(self, environ: dict[str, Any], path: str) -> Headers:
        """Return what an answer to this request says of who may read it."""
        if path.startswith(POPUP) and path[len(POPUP) :][:1] in ("", "/"):
            return self._popup.headers(environ)
        return [] if path == _SCRIPT else self._others.headers(environ)


def _pattern(website: str) -> str:
    """Return a pattern of the origins that a website's pages have, on whichever port."""
    # A website is known without its www.
    below = r"([a-z0-9_-]+\.)*" if website.startswith(".") else r"(www\.)*"
    host = website.removeprefix(".")
    return rf"https?://{below}{re.escape(f'[{host}]' if ':' in host else host)}(:\d+)?"


def added(given: Headers, shared: Headers) -> Headers:
    """Return an answer's own headers and these. Of `Vary` there is one."""
    own = next((value for name, value in given if name == "Vary"), "")
    if not own or not shared:
        return [*given, *shared]
    return [
        *((name, value) for name, value in given if name != "Vary"),
        *((name, f"{own}, {value}" if name == "Vary" else value) for name, value in shared),
        *([] if any(name == "Vary" for name, _ in shared) else [("Vary", own)]),
    ]


def _answer_preflight() -> Response | None:
    """Answer a browser that asks whether it may call, whether or not there is anything there.

    It could not read why it is refused.
    """
    asks = "Access-Control-Request-Method" in request.headers and "Origin" in request.headers
    return Response(status=200) if asks and request.method == "OPTIONS" else None


def init_app(app: Flask, settings: config.Settings) -> CrossOrigin:
    app.before_request(_answer_preflight)
    app.extensions["cross_origin"] = policies = CrossOrigin(settings)
    return policies
