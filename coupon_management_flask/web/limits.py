"""Rate limits by the caller's address, counted in Redis where there is one and by each worker otherwise (and while Redis is away)."""

from collections.abc import Callable
from functools import wraps
from time import time
from typing import Any
from uuid import UUID

from flask import Flask, current_app, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from .. import config
from ..core.guesses import Limits

# By the account, and by the address: an address can have many accounts.
WRONG_CODES = 10


def limit_logins(view: Callable[..., Any]) -> Callable[..., Any]:
    """Counts a view's calls among the sign-ups, log-ins and refreshes of the caller's address."""

    @wraps(view)
    def limited(*args: Any, **path: Any) -> Any:
        current_app.extensions["login_limit"]()
        return view(*args, **path)

    return limited


def seconds_to_wait() -> int:
    """Until the limit that has just been passed lets the caller try again."""
    limit = current_app.extensions["limiter_of_logins"].current_limit
    # The extension has rounded the moment up already.
    return int(limit.reset_at - time()) if limit is not None else 60


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
    hooks: tuple[list[Any], ...] = (app.before_request_funcs[None], app.after_request_funcs[None], app.teardown_request_funcs[None])
    before = [len(functions) for functions in hooks]
    limiter = Limiter(get_remote_address, app=app, headers_enabled=False)
    # A limited route checks for itself. What the extension asks around every request serves limits for all routes and headers about them:
    # we have neither, and it would cost as much as routing does.
    for functions, count in zip(hooks, before, strict=True):
        del functions[count:]
    app.extensions["limiter_of_logins"] = limiter
    app.extensions["login_limit"] = limiter.shared_limit(settings.rate_limit_logins, scope="logins")(_count_a_login)


def _count_a_login() -> None:
    """What the limiter's decorator stands on: it counts a call before it lets it through."""
