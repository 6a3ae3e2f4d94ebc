"""Rate limits, counted in Redis where there is one and by each worker otherwise (and while Redis is away). They hold in any span of their length."""

from collections.abc import Callable
from functools import partial, wraps
from hashlib import sha256
from math import ceil
from time import time
from typing import Any
from uuid import UUID

from flask import Flask, current_app, g, request
from flask_limiter import Limiter

from .. import config
from ..identity.failed_attempts import Limits

# By the account, and by the address: an address can have many accounts.
WRONG_CODES = 10


def _limit_by_address(name: str, view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def limited(*args: Any, **path: Any) -> Any:
        _count(name, request.remote_addr or "unknown")
        return view(*args, **path)

    return limited


limit_logins = partial(_limit_by_address, "logins")
"""Counts a view's calls among the sign-ups, log-ins and refreshes of the caller's address."""

limit_coupons = partial(_limit_by_address, "coupons")
"""Counts a view's calls among those of the caller's address that ask for e-mail coupons."""

limit_password_resets = partial(_limit_by_address, "password_resets")
"""Counts a view's calls among those of the caller's address that ask for a link to a new password."""


def count_coupon_email(email: str) -> None:
    """Counts a call among those that ask for coupons for this e-mail address."""
    # Neither a log nor Redis need know who it is.
    _count("coupon_emails", sha256(email.encode()).hexdigest())


def count_password_reset_email(email: str) -> None:
    """Counts a call among those that ask for a link to a new password for this e-mail address."""
    _count("password_reset_emails", sha256(email.encode()).hexdigest())


def _count(name: str, whose: str) -> None:
    g.limited = whose
    current_app.extensions["rate_limits"][name]()


def seconds_to_wait() -> int:
    """Until the limit that has just been passed lets the caller try again."""
    limit = current_app.extensions["rate_limiter"].current_limit
    return ceil(limit.window.reset_time - time()) if limit is not None else 60


def guessing_address() -> str | None:
    """Whose wrong passwords are counted together; None where nothing is limited."""
    return (request.remote_addr or "unknown") if config.current().rate_limits_enabled else None


def code_guesses(account_id: UUID) -> Limits:
    """How many wrong codes the caller may try, by account and by address."""
    address = guessing_address()
    return (
        {}
        if address is None
        else {f"code:account:{account_id}": WRONG_CODES, f"code:address:{address}": WRONG_CODES}
    )


def init_app(app: Flask, settings: config.Settings) -> None:
    app.config.update(
        RATELIMIT_ENABLED=settings.rate_limits_enabled,
        RATELIMIT_STRATEGY="moving-window",
        RATELIMIT_STORAGE_URI=settings.redis_url or "memory://",
        RATELIMIT_STORAGE_OPTIONS={"socket_connect_timeout": 1, "socket_timeout": 1}
        if settings.redis_url
        else {},
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=bool(settings.redis_url),
        RATELIMIT_SWALLOW_ERRORS=True,
    )
    hooks: tuple[list[Any], ...] = (
        app.before_request_funcs[None],
        app.after_request_funcs[None],
        app.teardown_request_funcs[None],
    )
    before = [len(functions) for functions in hooks]
    limiter = Limiter(lambda: g.limited, app=app, headers_enabled=False)
    # A limited route checks for itself. What the extension asks around every request serves limits for all routes and headers about them:
    # we have neither, and it would cost as much as routing does.
    for functions, count in zip(hooks, before, strict=True):
        del functions[count:]
    app.extensions["rate_limiter"] = limiter
    limits = {
        "logins": settings.rate_limit_logins,
        "coupons": settings.rate_limit_coupons,
        "coupon_emails": settings.rate_limit_coupon_emails,
        "password_resets": settings.rate_limit_password_resets,
        "password_reset_emails": settings.rate_limit_password_reset_emails,
    }
    app.extensions["rate_limits"] = {
        name: limiter.shared_limit(rate, scope=name)(_counted(name))
        for name, rate in limits.items()
    }


def _counted(name: str) -> Callable[[], None]:
    """What the limiter's decorator stands on: it counts a call before it lets it through, and knows its limits by their functions' names."""

    def count() -> None:
        pass

    count.__name__ = name
    return count
