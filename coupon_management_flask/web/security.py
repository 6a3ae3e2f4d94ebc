"""What surrounds every request.

Proxies that are believed, hosts that are answered, headers that browsers obey, and the websites
that may call.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_cors import CORS
from flask_talisman import Talisman
from granian.utils.proxies import wrap_wsgi_with_proxy_headers
from werkzeug.exceptions import (
    RequestEntityTooLarge,
    RequestHeaderFieldsTooLarge,
    RequestURITooLarge,
    SecurityError,
)

from .. import config
from ..text.callers import UNKNOWN, parse_address
from ..text.hosts import is_loopback
from .contract import MAX_BODY, contract_of
from .unnamed_proxies import told_once

CHUNK = 64 * 1024
# No client needs more, and what reads them (cookies, conditions, lists of types) may be slow.
LONGEST_URL, LONGEST_HEADER = 16 * 1024, 32 * 1024
# The fields of a page that anybody may open are few.
LONGEST_FORM = 16 * 1024

# An answer of the API is never a page. Our pages load from this host alone. Swagger UI styles its
# elements inline.
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

# Pages for administrators. No script runs there, whatever somebody has written into a coupon's
# name. They are styled by files of their own.
ADMIN = "/admin"
ADMIN_FILES = f"{ADMIN}/files"
_ADMIN_CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}
# In development nobody but the developer looks at these, and the first has mails of everybody.
_PAGES_OF_DEVELOPMENT = ("/dev", "/docs", "/openapi.json", ADMIN)
_PRIVATE = ("Cache-Control", "private, no-store")
# After this long without a request, an administrator is signed out.
ADMIN_IDLE = timedelta(minutes=30)


class BoundedRequest(Request):
    """A request that refuses a body that is too long.

    That includes a body in chunks, which never says how long it is: werkzeug would cut it off and
    go on.
    """

    def get_data(self, *args: Any, **kwargs: Any) -> Any:
        limit = _limit_of(self)
        data = super().get_data(*args, **kwargs)
        if len(data) > limit:
            raise RequestEntityTooLarge
        return data


def _limit_of(request: Request) -> int:
    """Say how long a request's body may be.

    Raises: RequestEntityTooLarge where it says itself that it is longer.
    """
    limit = contract_of(request.path).body_limit(request.path)
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge
    # One more, to see that a body in chunks is too long.
    request.max_content_length = limit + 1
    return limit


def look_at_body() -> Iterator[bytes]:
    """Yield the body, piece by piece, and leave it to be read once more.

    What is longer than most bodies may be is not held in memory, where the server lets it be read
    again: `flask serve` does.
    """
    if not _is_read_again():
        yield request.get_data(cache=True)
        return
    _limit_of(request)
    stream = request.environ["wsgi.input"]
    while chunk := stream.read(CHUNK):
        yield chunk
    stream.seek(0)


def _is_read_again() -> bool:
    if (request.content_length or 0) <= MAX_BODY:
        return False
    is_seekable = getattr(request.environ["wsgi.input"], "seekable", None)
    return is_seekable is not None and bool(is_seekable())


def body_in_chunks() -> Iterator[bytes]:
    """Yield a body that is too long to be held in memory, bit by bit.

    Raises: RequestEntityTooLarge as soon as it passes its bound.
    """
    if "Idempotency-Key" in request.headers and not _is_read_again():
        # The check of that key has read it already, into memory.
        yield request.get_data()
        return
    limit = _limit_of(request)
    read = 0
    while chunk := request.stream.read(CHUNK):
        read += len(chunk)
        if read > limit:
            raise RequestEntityTooLarge
        yield chunk


def check_form_size() -> None:
    """Look at the size of a form that anybody may send, before its fields are read.

    Raises: RequestEntityTooLarge.
    """
    # A body in chunks does not say how long it is. Its bytes are cheap, its fields are not.
    if len(request.get_data()) > LONGEST_FORM:
        raise RequestEntityTooLarge


def form_fields(names: Iterable[str]) -> dict[str, str]:
    """Return these fields of a form that anybody may send; one that is not there is empty.

    Raises: RequestEntityTooLarge.
    """
    check_form_size()
    return {name: request.form.get(name, "") for name in names}


def _check_sizes() -> None:
    """Refuse a URL or a header that is too long, before anything reads it."""
    environ = request.environ
    if len(environ["PATH_INFO"]) + len(environ.get("QUERY_STRING", "")) > LONGEST_URL:
        raise RequestURITooLarge
    if len(environ.get("CONTENT_TYPE", "")) > LONGEST_HEADER or any(
        len(value) > LONGEST_HEADER for name, value in environ.items() if name.startswith("HTTP_")
    ):
        raise RequestHeaderFieldsTooLarge


def check_host_is_this_machine() -> None:
    """Refuse a Host that means another machine, unless ALLOWED_HOSTS names it.

    What is shown to whoever sits at this machine needs this. A website may have its own name lead
    to 127.0.0.1 (DNS rebinding), and then its scripts read what they find there.

    Raises: SecurityError.
    """
    # The names of ALLOWED_HOSTS are checked for every request.
    if not config.current().allowed_hosts and not is_loopback(_host_without_port()):
        raise SecurityError


def _host_without_port() -> str:
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return ""


def _check_host_of_pages() -> None:
    if any(_is_below(request.path, page) for page in _PAGES_OF_DEVELOPMENT):
        check_host_is_this_machine()


def init_app(app: Flask, settings: config.Settings) -> None:
    app.request_class = BoundedRequest
    app.before_request(_check_sizes)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["TRUSTED_HOSTS"] = [host.lower() for host in settings.allowed_hosts] or None
    if not settings.is_production:
        app.before_request(_check_host_of_pages)
    # A trailing slash makes no difference, and nothing redirects.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.session_interface = _AdminSessions()
    app.config.update(
        SESSION_COOKIE_NAME="admin_session",
        SESSION_COOKIE_PATH=ADMIN,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=settings.is_production,
        PERMANENT_SESSION_LIFETIME=ADMIN_IDLE,
    )
    app.wsgi_app = _with_browser_headers(app.wsgi_app, settings)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        app.wsgi_app = _behind_proxies(app.wsgi_app, list(settings.trusted_proxies))  # type: ignore[method-assign]
    app.wsgi_app = told_once(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    origins = list(settings.cors_allowed_origins)
    # The popup stands on anybody's website, unless the operator names websites. It uses no cookie.
    CORS(
        app,
        resources=r"/*" if origins else re.compile(r"/api/coupons(/|$)"),
        origins=origins or "*",
        send_wildcard=not origins,
        always_send=bool(origins),
        expose_headers=["X-Total-Count", "Retry-After", "Idempotent-Replayed", "X-Request-ID"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "X-API-Key",
            "X-Request-ID",
        ],
        max_age=600,
    )


def _behind_proxies(wsgi_app: Any, proxies: list[str]) -> Any:
    """Take the caller's address and scheme from what trusted proxies say.

    Granian's function knows an address only in its plain form. Proxies also write ports, brackets
    and quotes, and a socket of both families writes `::ffff:10.0.0.1`.
    """
    plain = [proxy if "/" in proxy else _plain(proxy) for proxy in proxies]
    believing = wrap_wsgi_with_proxy_headers(wsgi_app, plain)

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        environ["REMOTE_ADDR"] = _plain(environ.get("REMOTE_ADDR", ""))
        if "HTTP_X_FORWARDED_FOR" in environ:
            # No more is looked at than makes it too long. It is then refused as any other header.
            told = environ["HTTP_X_FORWARDED_FOR"][-LONGEST_HEADER - 1 :].split(",")
            environ["HTTP_X_FORWARDED_FOR"] = ", ".join(_plain(one) for one in told if one.strip())
        return believing(environ, start_response)

    return answer


def _plain(text: str) -> str:
    address = parse_address(text)
    return UNKNOWN if address is None else str(address)


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


class _AdminSessions(SecureCookieSessionInterface):
    """A signed cookie under /admin, which names a session of the database.

    It is signed anew with each answer, and ignored once that is longer ago than `ADMIN_IDLE`.
    Everywhere else there is none: tokens say who asks the API.
    """

    salt = "admin-session"
    digest_method = staticmethod(hashlib.sha256)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if not _is_below(request.path, ADMIN) or _is_below(request.path, ADMIN_FILES):
            return None
        return super().open_session(app, request)


def _with_browser_headers(wsgi_app: Any, settings: config.Settings) -> Any:
    schemes = ("http", "https")
    headers = {
        scheme: _browser_headers(settings, scheme, _CONTENT_SECURITY_POLICY) for scheme in schemes
    }
    of_admin = {
        scheme: _browser_headers(settings, scheme, _ADMIN_CONTENT_SECURITY_POLICY)
        for scheme in schemes
    }
    # What an administrator has seen must not stay in the browser's cache.
    of_admin_pages = {
        scheme: [*of_admin[scheme], ("Cache-Control", "no-store")] for scheme in schemes
    }

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        # The router takes several leading slashes for one.
        path, found = "/" + environ["PATH_INFO"].lstrip("/"), headers
        if _is_below(path, ADMIN):
            found = of_admin if _is_below(path, ADMIN_FILES) else of_admin_pages
        more = found[environ["wsgi.url_scheme"]]
        is_private = "HTTP_AUTHORIZATION" in environ or "HTTP_X_API_KEY" in environ

        def start(status: str, given: list[tuple[str, str]], *error: Any) -> Any:
            # What somebody is shown who has signed in is nobody else's, unless the view knows more.
            if is_private and not any(name == _PRIVATE[0] for name, _ in given):
                given = [*given, _PRIVATE]
            return start_response(status, [*given, *more], *error)

        return wsgi_app(environ, start)

    return answer


def _browser_headers(
    settings: config.Settings, scheme: str, content_security_policy: dict[str, str]
) -> list[tuple[str, str]]:
    """Return what Flask-Talisman would add to an answer over http or https.

    It is the same for all answers and costs as much to work out as a small request, so Talisman is
    asked once.
    """
    scratch = Flask("headers")
    Talisman(
        scratch,
        force_https=False,
        strict_transport_security=settings.is_production,
        # Other services may live on hosts below this one.
        strict_transport_security_include_subdomains=False,
        content_security_policy=content_security_policy,
        frame_options="DENY",
        referrer_policy="no-referrer",
    )
    answer = scratch.test_client().get("/", base_url=f"{scheme}://localhost")
    return [
        (name, value)
        for name, value in answer.headers
        if name not in ("Content-Type", "Content-Length")
    ]
