"""What a person would call the same website: its host, however it was written."""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

import idna

LONGEST = 253
# A URL on the website is a way to write it.
LONGEST_TYPED = 2_000

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*:)?//", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)


def website_host(text: str) -> str:
    """Return the host that a URL or a host name means: https://WWW.Example.com/x is example.com.

    It is in ASCII and lower case, without a port and without a leading `www.`.

    Raises:
        ValueError: It means no host. A name of one label is none, except localhost.
    """
    if len(text) > LONGEST_TYPED:
        raise ValueError("too long")
    text = text.strip()
    if not text.isprintable() or " " in text:
        raise ValueError(f"{text!r} is no website")
    address = _address(text)
    if address is not None:
        return address
    host = urlsplit(text if _SCHEME.match(text) else f"//{text}").hostname or ""
    return _address(host) or _name(host, text)


def is_loopback(host: str) -> bool:
    """Return whether a host, without a port, means the machine that looks it up."""
    host = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return f".{host}".endswith(".localhost")


def _address(host: str) -> str | None:
    # After a % stands the network card of one machine, under any name.
    if "%" in host:
        return None
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _name(host: str, text: str) -> str:
    labels = ascii_name(host.removesuffix(".")).split(".")
    while labels[0] == "www" and len(labels) > 2:
        del labels[0]
    name = ".".join(labels)
    # A last label of digits alone makes it a malformed address, not a name.
    if (
        len(name) > LONGEST
        or not all(map(_LABEL.fullmatch, labels))
        or labels[-1].isdigit()
        or (len(labels) == 1 and name != "localhost")
    ):
        raise ValueError(f"{text!r} is no website")
    return name


def ascii_name(host: str) -> str:
    """Return a host name in ASCII and lower case.

    Raises:
        ValueError: It is too long or can't be written so.
    """
    if len(host) > LONGEST:
        raise ValueError("too long")
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(str(error)) from error


def is_among(host: str, websites: Collection[str]) -> bool:
    """Return whether a host is one of these, or below one that begins with a dot.

    `.example.com` means example.com and its subdomains.
    """
    if host in websites:
        return True
    labels = host.split(".")
    return any(f".{'.'.join(labels[at:])}" in websites for at in range(len(labels)))
