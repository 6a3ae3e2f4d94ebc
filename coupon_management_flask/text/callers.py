"""Addresses of callers: which address a text means, and whom a person would count as one caller."""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""Whoever has no address that can be read. All of them count together."""

# "5.5.5.5:443", "[::1]:443", "[::1]", "::1%eth0". After a % stands the network card of one machine.
_WRITTEN = re.compile(r'"?(?:\[([^\]]*)\](?::\d*)?|([^:]*):\d*|([^\]\["]*))"?', re.ASCII)
_LEADING_ZEROS = re.compile(r"\b0+(?=\d)", re.ASCII)

# Where IPv6 carries an IPv4 address, and how many bits stand behind it. The whole internet of IPv4
# can come from one /64 of these, or one caller from 65,536 of them.
_CARRIERS = [
    (IPv6Network(network), bits_behind)
    for network, bits_behind in (
        ("::/96", 0),
        ("::ffff:0:0:0/96", 0),
        # NAT64, on the internet and within one network (RFC 6052, RFC 8215).
        ("64:ff9b::/96", 0),
        ("64:ff9b:1::/48", 0),
        # 6to4.
        ("2002::/16", 80),
    )
]
_LOWEST = 2**32 - 1


def parse_address(text: str | None) -> Address | None:
    """Return the address that a text means; None for what is none.

    It may have a port, brackets, quotes, a zone and leading zeros. An IPv4 address that the
    operating system wrote as IPv6 (`::ffff:5.5.5.5`) is that IPv4 address.
    """
    written = _WRITTEN.fullmatch((text or "").strip())
    if written is None:
        return None
    bare = next((part for part in written.groups() if part is not None), "").partition("%")[0]
    if ":" not in bare:
        bare = _LEADING_ZEROS.sub("", bare)
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def counted_address(text: str | None) -> str:
    """Return the caller behind an address: what limits, guesses and logs go by.

    IPv4 inside IPv6 is the IPv4 address, and IPv6 is its /64, which one household or one server has
    for itself.
    """
    address = parse_address(text)
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv4Address):
        return str(address)
    inner = _carried(address)
    return str(IPv6Network((address, 64), strict=False) if inner is None else inner)


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address.is_loopback or address.is_unspecified:
        return None
    if address.teredo is not None:
        # All that use one server of Teredo share its /64.
        return address.teredo[1]
    for network, bits_behind in _CARRIERS:
        if address in network:
            return IPv4Address(int(address) >> bits_behind & _LOWEST)
    return None
