"""Usernames, and the names of people and companies."""

import unicodedata

from . import invisible, mailboxes

LONGEST = 150

# They reorder the text that follows, beyond the name's end: embeddings, overrides and isolates.
# The marks that Arabic and Hebrew names are written with are not among them, nor the joiners of
# Persian and Indic ones.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# Nothing that a login is compared by begins so: no address has a colon before its @.
EARLIER = "earlier:"


def trimmed(username: str) -> str:
    """Return a username as it is stored: composed, and without white space around it."""
    username = invisible.trimmed(username)
    return username if len(username) > LONGEST else unicodedata.normalize("NFC", username)


def is_readable(username: str) -> bool:
    """Return whether it has no zero-width, bidi or control character.

    With one of them two names would look the same.
    """
    return not any(map(invisible.has_no_glyph, username))


def comparable(login: str) -> str:
    """Return the form in which equal usernames are the same text; an e-mail's is its mailbox's."""
    if "@" in login:
        return mailboxes.comparable(login)
    login = invisible.trimmed(login)
    if len(login) > LONGEST:
        return login
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", login).casefold())


def earlier(login: str) -> str:
    """Return the form by which an account is found that shares its mailbox with an older one.

    It is how logins were once compared, and marked, since it may be the older account's form now.
    """
    return EARLIER + login.strip().casefold()


def is_plain_name(name: str) -> bool:
    """Return whether a name of a person or a company is one line and leaves its surroundings be."""
    return not any(
        character in _REORDERING or unicodedata.category(character) in {"Cc", "Zl", "Zp"}
        for character in name
    )
