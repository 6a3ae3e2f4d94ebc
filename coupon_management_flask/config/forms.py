"""The forms that settings may have, beyond those of marshmallow."""

import ipaddress
import re
from collections.abc import Mapping
from email.utils import getaddresses
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import marshmallow as ma
import pycountry
import yaml
from marshmallow import validate

from ..text.hosts import ascii_name, website_host

# A discount coupon's own bounds, and what a calendar can count.
PERCENT = validate.Range(0, 100)
DAYS = validate.Range(1, 3650)


class Words(ma.fields.Field[tuple[str, ...]]):
    """A YAML list of strings, or their comma-separated form in the environment."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ma.ValidationError("it must be a list of words")
        return tuple(item.strip() for item in items if item.strip())


class Hosts(Words):
    """Websites, by their hosts. One that begins with a dot includes its subdomains."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> tuple[str, ...]:
        return tuple(map(_host, super()._deserialize(value, attr, data, **kwargs)))


def _host(website: str) -> str:
    dot = "." if website.startswith(".") else ""
    try:
        host = website_host(website.removeprefix("."))
    except ValueError as error:
        raise ma.ValidationError(f"{website!r} is no website such as example.com") from error
    # A website is known without its www, and the subdomains of example.com are more than those of
    # www.example.com.
    if dot and website.lower().startswith(".www."):
        raise ma.ValidationError(f"{website!r}: leave out the www")
    return f"{dot}{host}"


# What a browser, an app's web view or an extension of a browser calls where a page comes from.
_SCHEMES = {
    "http": 80,
    "https": 443,
    **dict.fromkeys(("app", "capacitor", "ionic", "tauri", "chrome-extension", "moz-extension")),
}
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", re.ASCII)


class Origins(Words):
    """Origins of pages, as browsers send them; or `*` for any."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> tuple[str, ...]:
        return tuple(map(_origin, super()._deserialize(value, attr, data, **kwargs)))


def _origin(text: str) -> str:
    """Return an origin in the form that browsers send: no slash at its end, no capitals."""
    if text == "*":
        return text
    try:
        url = urlsplit(text)
        host, port = ascii_name(url.hostname or ""), url.port
    except ValueError:
        host, port = "", None
    if ":" in host:
        host = f"[{host}]"
    if (
        url.scheme not in _SCHEMES
        or not _HOST.fullmatch(host)
        or url.path not in ("", "/")
        or any((url.query, url.fragment, url.username, url.password))
    ):
        raise ma.ValidationError(f"{text!r} is no origin such as https://shop.example")
    shown = "" if port is None or port == _SCHEMES[url.scheme] else f":{port}"
    return f"{url.scheme}://{host}{shown}"


class Zone(ma.fields.Field[ZoneInfo]):
    """A time zone of the IANA database, by name."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> ZoneInfo:
        try:
            return ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise ma.ValidationError(f"{value!r} is no time zone such as Europe/Berlin") from error


class _WebsiteTerms(ma.Schema):
    class Meta:
        unknown = ma.RAISE

    discount_percent = ma.fields.Decimal(validate=PERCENT)
    expiry_days = ma.fields.Integer(strict=True, validate=DAYS)


_website_terms = _WebsiteTerms()

WebsiteTable = Mapping[str, Mapping[str, Any]]


class Websites(ma.fields.Field[WebsiteTable]):
    """A YAML table of websites and the terms of their e-mail coupons; JSON in the environment."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> WebsiteTable:
        try:
            table = yaml.safe_load(value) or {} if isinstance(value, str) else value
        except yaml.YAMLError as error:
            raise ma.ValidationError("it is no table") from error
        if not isinstance(table, dict):
            raise ma.ValidationError("it must be a table of websites")
        found: dict[str, Mapping[str, Any]] = {}
        for website, terms in table.items():
            try:
                host = website_host(str(website))
                if host in found:
                    raise ma.ValidationError("it is there twice")
                found[host] = MappingProxyType(_website_terms.load(terms or {}))
            except ma.ValidationError as error:
                raise ma.ValidationError(f"{website}: {error.messages}") from error
            except ValueError as error:
                raise ma.ValidationError(
                    f"{website!r} is no website such as example.com"
                ) from error
        return MappingProxyType(found)


def host_or_url(value: str) -> None:
    url = urlsplit(value if "://" in value else f"http://{value}")
    if value and (url.scheme not in ("http", "https") or not url.hostname):
        raise ma.ValidationError("it must be host:port or a URL")


def redis_url(value: str) -> None:
    if value and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ma.ValidationError("it must start with redis://, rediss:// or unix://")


def broker_url(value: str) -> None:
    # Celery has another name for unix://.
    if value and urlsplit(value).scheme not in ("redis", "rediss"):
        raise ma.ValidationError("it must start with redis:// or rediss://")


def networks(values: tuple[str, ...]) -> None:
    for value in values:
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            raise ma.ValidationError(
                f"{value!r} is neither an address nor a network such as 10.0.0.0/8"
            ) from error


def currency(value: str) -> None:
    if not value.isupper() or pycountry.currencies.get(alpha_3=value) is None:
        raise ma.ValidationError("it must be an ISO 4217 code such as USD")


def rate(value: str) -> None:
    from limits import parse_many

    try:
        parse_many(value)
    except ValueError as error:
        raise ma.ValidationError("it must read like '300 per minute'") from error


def one_word(value: str) -> None:
    # A key with a space or a line's end in it was copied badly, and a header can't hold it.
    if not all("!" <= letter <= "~" for letter in value):
        raise ma.ValidationError("it must be one word")


def mail_sender(value: str) -> None:
    # A mail server of one's own may know hosts that the world does not.
    addresses = [address for _, address in getaddresses([value])]
    if (
        len(addresses) != 1
        or not re.fullmatch(r"[^@\s]+@[^@\s]+", addresses[0])
        or not value.isprintable()
    ):
        raise ma.ValidationError("it must read like Coupons <coupons@example.com>")
