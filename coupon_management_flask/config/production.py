"""What production asks of its settings before anything starts, and what it warns of."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit

from ..text.hosts import is_loopback
from .settings import DECLARATIONS, DEVELOPMENT_SECRET_KEY, Settings

SHORTEST_SECRET_KEY = 32
# What a secret of 32 random digits has to spare, and no pattern reaches.
FEWEST_GUESSES = 10**20
# As much of a secret as is looked at: the search for patterns takes quadratic time.
LOOKED_AT = 72

# What the secrets in examples and guides are made of.
_PLACEHOLDER = re.compile(
    r"change|replace|secret|password|example|insecure|default|development|production|django"
    r"|flask|super|your|this|with|random|string|only|please|value|very|long|here|256|bit|jwt"
    r"|key|the|for|me|in|is|my|to|a|[\W_]",
    re.IGNORECASE | re.ASCII,
)
# What must be left of a secret without such words.
FEWEST_OTHER_CHARACTERS = 8

_NAMES = {one.name.upper() for one in DECLARATIONS}
DATABASE_NAMES = {name for name in _NAMES if name.startswith("POSTGRES_") or name == "DATABASE_URL"}


def is_guessable(secret: str) -> bool:
    """Return whether a secret is a pattern (one letter, a repetition, a row of keys) or an example.

    It takes a tenth of a second.
    """
    # Loading its lists takes as long again, which development need not spend.
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]

    if len(_PLACEHOLDER.sub("", secret)) < FEWEST_OTHER_CHARACTERS:
        return True
    return bool(zxcvbn(secret[:LOOKED_AT])["guesses"] < FEWEST_GUESSES)


def refusal(
    settings: Settings, variables: Mapping[str, str | None], *, is_database_named: bool
) -> str | None:
    """Return why production can't start with these settings, or None.

    `variables` are those of the environment and `.env`, also those that are not ours.
    """
    if settings.secret_key == DEVELOPMENT_SECRET_KEY:
        return (
            "SECRET_KEY must be set in production "
            "(python -c 'import secrets; print(secrets.token_urlsafe(48))' makes one)."
        )
    if len(settings.secret_key) < SHORTEST_SECRET_KEY:
        return f"SECRET_KEY must have at least {SHORTEST_SECRET_KEY} characters in production."
    if is_guessable(settings.secret_key):
        return (
            "SECRET_KEY is a pattern or an example, which can be guessed "
            "(python -c 'import secrets; print(secrets.token_urlsafe(48))' makes one that can't)."
        )
    # Before the next check: who has misspelt the name is told so.
    for variable, meant in misspelt(variables):
        if meant in DATABASE_NAMES:
            return f"{variable} is no setting; {meant} is, and it is not set."
    if not is_database_named:
        return (
            "DATABASE_URL or POSTGRES_HOST must name the database in production "
            "(SQLite too: DATABASE_URL=sqlite:////absolute/path.db)."
        )
    return None


def misspelt(variables: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """Yield each variable that is nearly the name of a setting, with that name.

    A setting that is set under its own name is not missed.
    """
    missing = [name for name in _NAMES if not variables.get(name)]
    for variable, value in variables.items():
        if value and variable not in _NAMES:
            yield from ((variable, name) for name in get_close_matches(variable, missing, 1, 0.85))


def warnings(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what production can run with and hardly should: a setting, and what follows from it."""
    if not settings.is_production:
        return
    if not settings.rate_limits_enabled:
        yield "RATE_LIMITS_ENABLED", "is false: nothing limits guessing of passwords and codes"
    if not settings.allowed_hosts:
        yield "ALLOWED_HOSTS", "is empty: any Host header is answered"
    if is_loopback(urlsplit(settings.public_url).hostname or ""):
        yield "PUBLIC_URL", "is on loopback: links in mails lead nobody here"
    if not settings.coupon_allowed_websites:
        yield "COUPON_ALLOWED_WEBSITES", "is empty: any website may have codes mailed to anybody"
    if settings.metrics_token and is_guessable(settings.metrics_token):
        yield "METRICS_TOKEN", "can be guessed: it is short, a pattern or an example"
    if settings.stripe_secret_key and not settings.stripe_webhook_secret:
        yield "STRIPE_WEBHOOK_SECRET", "is empty: events of Stripe are refused"
    elif settings.stripe_webhook_secret and is_guessable(settings.stripe_webhook_secret):
        yield "STRIPE_WEBHOOK_SECRET", "can be guessed: it is not one of Stripe's"
