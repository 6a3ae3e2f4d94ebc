"""The life of this contract's tokens."""

from datetime import timedelta

from .. import config


def token_lifetime() -> timedelta:
    return timedelta(hours=config.current().promo_token_hours)
