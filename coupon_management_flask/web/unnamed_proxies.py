"""Tell the operator of a proxy in front that TRUSTED_PROXIES does not name.

All who come through it have its address. They share one count of log-ins and of wrong codes.
"""

import os
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import structlog

from ..text.callers import parse_address

log = structlog.get_logger(__name__)

_FORWARDED = "HTTP_X_FORWARDED_FOR"


def told_once(wsgi_app: Any, trusted: Iterable[str]) -> Any:
    """Log the first request that somebody else than these has forwarded, and no other.

    It stands before whatever rewrites the caller's address.
    """
    networks = [_network(proxy) for proxy in trusted]
    is_told = False

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        nonlocal is_told
        if not is_told and _FORWARDED in environ:
            peer = parse_address(environ.get("REMOTE_ADDR"))
            if peer is None or not any(peer in network for network in networks):
                is_told = True
                if _is_first():
                    log.warning(
                        "proxy.not_trusted",
                        peer=str(peer),
                        says="it sends X-Forwarded-For, and TRUSTED_PROXIES does not name it: all "
                        "who come through it count as one caller, for log-ins and wrong codes too",
                    )
        return wsgi_app(environ, start_response)

    return answer


def _network(proxy: str) -> IPv4Network | IPv6Network:
    # An address may be written as an IPv4 address within IPv6.
    return ip_network(proxy if "/" in proxy else str(parse_address(proxy)), strict=False)


def _is_first() -> bool:
    """Return whether no other worker of this server has told it."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return True
    # The workers have this folder in common.
    try:
        Path(folder, "proxy-told").touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        # Better told twice than never.
        return True
    return True
