"""Rate limits by the caller's address, counted in Redis where there is one and by each worker otherwise (and while Redis is away)."""

from uuid import UUID

from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from .. import config
from ..core.guesses import Limits

limiter = Limiter(get_remote_address, headers_enabled=False)

# Sign-ups, log-ins and refreshes of one address count together.
limit_logins = limiter.shared_limit(lambda: config.current().rate_limit_logins, scope="logins")

# By the account, and by the address: an address can have many accounts.
WRONG_CODES = 10


def guessing_address() -> str | None:
    """Whose wrong passwords are counted together; None where nothing is limited."""
    return (request.remote_addr or "unknown") if config.current().rate_limits_enabled else None


def code_guesses(account_id: UUID) -> Limits:
    """How many wrong codes the caller may try, by account and by address."""
    address = guessing_address()
    return {} if address is None else {f"code:account:{account_id}": WRONG_CODES, f"code:address:{address}": WRONG_CODES}


def init_app(app: Flask, settings: config.Settings) -> None:
    app.config.update(
        RATELIMIT_ENABLED=settings.rate_limits_enabled,
        RATELIMIT_STORAGE_URI=settings.redis_url or "memory://",
        RATELIMIT_STORAGE_OPTIONS={"socket_connect_timeout": 1, "socket_timeout": 1} if settings.redis_url else {},
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=bool(settings.redis_url),
        RATELIMIT_SWALLOW_ERRORS=True,
    )
    hooks = (app.before_request_funcs[None], app.after_request_funcs[None], app.teardown_request_funcs[None])
    before = [len(functions) for functions in hooks]
    limiter.init_app(app)
    # A limited route checks for itself. What the extension asks around every request serves limits for all routes and headers about them:
    # we have neither, and it would cost as much as routing does.
    for functions, count in zip(hooks, before, strict=True):
        del functions[count:]
