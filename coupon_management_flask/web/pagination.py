"""Which page of a list is asked for, and links to those beside it."""

from typing import Any
from urllib.parse import quote, urlencode

import marshmallow as ma
from flask import request

from .. import config
from .body import BoundedSchema, QueryWhole


class PageQuery(BoundedSchema):
    page = QueryWhole(1, load_default=1)
    per_page = QueryWhole(1, 100, load_default=10)


class OffsetQuery(BoundedSchema):
    """`limit` and `offset`.

    A limit above 1,000 means 1,000. An offset beyond what a database can count to means the largest
    that it can, where there is nothing either.
    """

    limit = QueryWhole(0, None, load_default=10)
    offset = QueryWhole(0, None, load_default=0)

    @ma.post_load
    def at_most(self, query: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {
            "limit": min(query.pop("limit"), 1000),
            "offset": min(query.pop("offset"), 2**62),
            **query,
        }


class LinkedPageQuery(BoundedSchema):
    page = QueryWhole(1, load_default=1)
    page_size = QueryWhole(1, 100, load_default=20)


def _link(number: int | None) -> str | None:
    """Return the URL of another page of the list that is asked for."""
    if not number:
        return None
    query = {**request.args.to_dict(flat=False), "page": [number]}
    return config.current().link_to(f"{quote(request.path)}?{urlencode(query, doseq=True)}")


_LINK = {"type": ["string", "null"], "format": "uri"}


class LinkedPageSchema(ma.Schema):
    """A Page with links to its neighbours. A list adds its `results`, with `attribute="items"`."""

    count = ma.fields.Integer(attribute="total", required=True)
    next = ma.fields.Function(lambda page: _link(page.next_page), required=True, metadata=_LINK)
    # From beyond the end it leads back to the last page that holds anything.
    previous = ma.fields.Function(
        lambda page: _link(min(page.number - 1, page.pages)), required=True, metadata=_LINK
    )
