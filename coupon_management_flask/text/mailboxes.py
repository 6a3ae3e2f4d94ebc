"""E-mail addresses: which of them are one mailbox, and how one is written to."""

import unicodedata

import email_validator

from . import hosts, invisible

LONGEST = 254

# Google delivers all of these to one mailbox.
_GMAIL = ("gmail.com", "googlemail.com")


def checked(address: str) -> str:
    """Return an address as it was typed, without the white space around it.

    Raises:
        ValueError: It is too long or not well-formed.
    """
    address = invisible.trimmed(address)
    if len(address) > LONGEST:
        raise ValueError("too long")
    email_validator.validate_email(address, check_deliverability=False, test_environment=True)
    return address


def comparable(address: str) -> str:
    """Return the form in which two addresses are one mailbox: `one@xn--bcher-kva.example`.

    The domain is in ASCII (IDNA), the local part composed and in lower case. Lower case is not
    case folding: weiß@ and weiss@ are two mailboxes. Text that is no address has a form too.
    """
    address = invisible.trimmed(address)
    if address.isascii():
        return address.lower()
    # Longer text is no address, and normalising it could take long.
    if len(address) > LONGEST:
        return address
    local, at, domain = address.rpartition("@")
    return f"{_composed(_composed(local).lower())}{at}{_ascii(domain)}"


def without_tag(address: str) -> str:
    """Return the form in which a person would call two addresses the same.

    It is that of the mailbox without what stands behind a `+`, and without Gmail's dots;
    googlemail.com is gmail.com.
    """
    local, at, domain = comparable(address).rpartition("@")
    # Without anything before the +, nothing would be left.
    local = local.partition("+")[0] or local
    if domain in _GMAIL:
        local, domain = local.replace(".", "") or local, _GMAIL[0]
    return f"{local}{at}{domain}"


def deliverable(address: str) -> str:
    """Return an address as mail servers take it: as it was typed, with its domain in ASCII."""
    local, at, domain = address.rpartition("@")
    if len(address) > LONGEST:
        return address
    return f"{_composed(local)}{at}{_ascii(domain)}"


def _ascii(domain: str) -> str:
    try:
        return hosts.ascii_name(domain)
    except ValueError:
        return _composed(domain.lower())


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)
