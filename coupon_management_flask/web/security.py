"""What surrounds every request: proxies that are believed, hosts that are answered, headers that browsers obey, and who may call from a page."""

from flask import Flask
from flask_cors import CORS
from flask_talisman import Talisman
from granian.utils.proxies import wrap_wsgi_with_proxy_headers

from .. import config

MAX_BODY = 1024 * 1024

# An answer of the API is never a page. The pages there are load from this host alone; Swagger UI styles its elements inline.
_CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}


def init_app(app: Flask, settings: config.Settings) -> None:
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["TRUSTED_HOSTS"] = list(settings.allowed_hosts) or None
    # A slash more or less makes no difference, and nothing redirects.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    if settings.trusted_proxies:
        app.wsgi_app = wrap_wsgi_with_proxy_headers(app.wsgi_app, list(settings.trusted_proxies))  # type: ignore[method-assign]
    Talisman(
        app,
        force_https=False,
        strict_transport_security=settings.is_production,
        content_security_policy=_CONTENT_SECURITY_POLICY,
        session_cookie_secure=settings.is_production,
        referrer_policy="no-referrer",
    )
    CORS(
        app,
        origins=list(settings.cors_allowed_origins),
        expose_headers=["X-Total-Count", "Retry-After", "Idempotent-Replayed", "X-Request-ID"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-Request-ID"],
        max_age=600,
    )
