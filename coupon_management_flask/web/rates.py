"""Rate limits: moving windows, so that a limit holds in any span of its length.

Calls are counted in Redis, for all workers together. Without Redis, and while it is away, each
worker counts for itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial, wraps
from math import ceil
from time import monotonic, time
from typing import ParamSpec, TypeVar
from uuid import UUID

import structlog
from flask import Flask, current_app, request
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from .. import config
from ..core import errors
from ..identity import failed_attempts
from ..identity.keyed_hashes import keyed_hash
from ..text.callers import counted_address
from .guard import Actor, actor
from .operations import note, notes_of

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger(__name__)

# After Redis was away, and before it is asked again.
RETRY_SECONDS = 5


class RateLimits:
    """The limits of one application, by name."""

    def __init__(self, rates: Mapping[str, str], redis_url: str) -> None:
        self._limits: dict[str, list[RateLimitItem]] = {
            name: sorted(parse_many(rate)) for name, rate in rates.items()
        }
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._shared: MovingWindowRateLimiter | None = None
        self._away: tuple[type[Exception], ...] = ()
        self._away_until = 0.0
        if redis_url:
            storage = storage_from_string(redis_url, socket_connect_timeout=1, socket_timeout=1)
            self._shared = MovingWindowRateLimiter(storage)
            failures = storage.base_exceptions
            self._away = failures if isinstance(failures, tuple) else (failures,)

    def count(self, name: str, whose: str) -> None:
        """Count a call. A refused one costs nothing.

        Raises: RateLimited where `whose` calls have used up a limit of that name.
        """
        for limit in self._limits[name]:
            if (seconds := self._seconds_to_wait(limit, whose, name)) is not None:
                log.info("rate_limit.exceeded", limit=name, rate=str(limit), whose=whose)
                quota = errors.Quota(name, limit.amount, limit.get_expiry())
                raise errors.RateLimited(seconds, quota)

    def _seconds_to_wait(self, limit: RateLimitItem, *key: str) -> int | None:
        if self._shared is not None and monotonic() >= self._away_until:
            try:
                return _seconds_to_wait(self._shared, limit, *key)
            except self._away as error:
                self._away_until = monotonic() + RETRY_SECONDS
                log.warning("rate_limits.redis_away", error=type(error).__name__)
        return _seconds_to_wait(self._here, limit, *key)


def _seconds_to_wait(
    limiter: MovingWindowRateLimiter, limit: RateLimitItem, *key: str
) -> int | None:
    """Count a call and return None, or return how long to wait where the limit is used up."""
    if limiter.hit(limit, *key):
        return None
    return ceil(limiter.get_window_stats(limit, *key).reset_time - time())


def _count(name: str, whose: str) -> None:
    limits: RateLimits | None = current_app.extensions["rate_limits"]
    if limits is not None:
        limits.count(name, whose)


def caller_address() -> str:
    """Return where the request comes from, as limits and logs count it."""
    return counted_address(request.remote_addr)


def _limit_by_address(name: str, view: Callable[P, R]) -> Callable[P, R]:
    @wraps(view)
    def limited(*args: P.args, **path: P.kwargs) -> R:
        _count(name, caller_address())
        return view(*args, **path)

    return limited


limit_logins = partial(_limit_by_address, "logins")
"""Limit how often an address signs up, signs in and refreshes."""

limit_coupons = partial(_limit_by_address, "coupons")
"""Limit how often an address asks for e-mail coupons."""

limit_password_resets = partial(_limit_by_address, "password_resets")
"""Limit how often an address asks for a link to a new password."""


def count_coupon_email(email: str) -> None:
    """Limit how often coupons are asked for this e-mail address.

    Raises: RateLimited.
    """
    _count_email("coupon_emails", email)


def count_password_reset_email(email: str) -> None:
    """Limit how often a link to a new password is asked for this e-mail address.

    Raises: RateLimited.
    """
    _count_email("password_reset_emails", email)


def _count_email(name: str, email: str) -> None:
    # Neither a log nor Redis need know who it is.
    _count(name, keyed_hash("rate_limits", email.encode()))


def limit_account(
    name: str, *, only: Callable[[Actor], bool] = lambda _: True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Limit how often an account calls a view that costs the service and not the caller.

    It stands between a view's guard and its arguments. A request that is answered by its
    Idempotency-Key does not count. `only` says whose calls do.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def limited(*args: P.args, **path: P.kwargs) -> R:
            if only(who := actor()):
                _count(name, str(who.id))
            return view(*args, **path)

        return note(limited, refuses=notes_of(view).refuses | {429})

    return decorate


limit_payments = limit_account("payments")
limit_payment_checks = limit_account("payment_checks")
limit_comments = limit_account("comments")
limit_promos = limit_account("promos")
limit_best = limit_account("best")
limit_batches = limit_account("batches")
limit_webhook_sends = limit_account("webhook_sends")
limit_reports = limit_account("reports")


def count_password_change() -> None:
    """Limit how often the caller changes a password, which is hashed at some cost.

    Raises: RateLimited.
    """
    _count("password_changes", str(actor().id))


def limited_address() -> str | None:
    """Return whose failed attempts are counted together, or None where nothing is limited."""
    return caller_address() if config.current().rate_limits_enabled else None


def code_limits(account_id: UUID) -> failed_attempts.Limits:
    """Return how many wrong codes the caller may try."""
    return failed_attempts.code_limits(account_id, limited_address())


def init_app(app: Flask, settings: config.Settings) -> None:
    prefix = "rate_limit_"
    rates = {
        one.name.removeprefix(prefix): getattr(settings, one.name)
        for one in fields(settings)
        if one.name.startswith(prefix)
    }
    app.extensions["rate_limits"] = (
        RateLimits(rates, settings.redis_url) if settings.rate_limits_enabled else None
    )
