"""The addresses to which webhooks may be sent."""

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

LONGEST_URL = 2000

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressNotAllowed(Exception):
    """A host means an address that is not to be spoken to."""


def refuse_url(url: str, *, allow_private: bool) -> str | None:
    """Return what is wrong with a webhook's URL, or None.

    No name server is asked: a name may mean another address by the time of a delivery.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "Not a valid URL."
    is_plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not is_plain or not parts.hostname or port == 0:
        return "Not a valid URL."
    if parts.scheme not in (("https", "http") if allow_private else ("https",)):
        return "It must start with https://."
    if parts.username is not None or parts.password is not None or "#" in url:
        return "It must hold no user name and no fragment."
    if not allow_private and _is_private(parts.hostname):
        return "It must not lead to a private address."
    return None


def _is_private(host: str) -> bool:
    try:
        return not is_public(ipaddress.ip_address(host))
    except ValueError:
        return f".{host.rstrip('.')}".endswith(".localhost")


def is_public(address: IpAddress) -> bool:
    """Return whether an address belongs to the Internet at large.

    Private, loopback, link-local, shared, multicast and reserved addresses do not, nor do those of
    IPv6 that lead to one of IPv4.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        # Global unicast is 2000::/3. Within it two ranges carry an IPv4 address of anybody's choice
        # (Teredo, 6to4).
        is_unicast = address.packed[0] >> 5 == 1
        if not is_unicast or address.teredo is not None or address.sixtofour is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def resolve(parts: SplitResult, *, allow_private: bool) -> list[str]:
    """Return all addresses of a URL's host.

    The name is resolved anew for each attempt: its owner may change what it means at any time.

    Raises:
        AddressNotAllowed: One of the addresses is not public.
        OSError: The name is not known.
    """
    found = socket.getaddrinfo(parts.hostname, port_of(parts), type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    if not allow_private and not all(is_public(ipaddress.ip_address(one)) for one in addresses):
        raise AddressNotAllowed
    return addresses
