"""A browser under /admin that opens pages and sends the forms on them."""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask, g
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import AdminChange

from ..support.people import PASSWORD, make_user
from ..test_migrations import ROWS

SIGN_IN = "/admin/sign-in"


class _Fields(HTMLParser):
    """Collect what a browser would send of a page's forms, except for their buttons."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._area = self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "input" and name and (given.get("type") != "checkbox" or "checked" in given):
            self.values[name] = given.get("value") or (
                "y" if given.get("type") == "checkbox" else ""
            )
        elif tag == "select":
            self._select = name
        elif (
            tag == "option"
            and self._select
            and ("selected" in given or self._select not in self.values)
        ):
            self.values[self._select] = given.get("value") or ""
        elif tag == "textarea":
            self._area = name
            self.values[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            # A browser drops a newline at the beginning of the area.
            self.values[self._area] = re.sub(r"^\r?\n", "", self.values[self._area])
            self._area = ""
        elif tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data


@dataclass
class Browser:
    client: FlaskClient

    def open(self, method: str, path: str, **options: Any) -> TestResponse:
        # In a test, requests share a `g` that elsewhere belongs to one request.
        g.pop("csrf_token", None)
        return self.client.open(path, method=method, **options)

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.open("GET", path, query_string=query or None)

    def post(self, path: str, **data: str) -> TestResponse:
        return self.open("POST", path, data=data)

    def fields(self, path: str) -> dict[str, str]:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return _Fields(answer.text).values

    def send(self, path: str, **typed: str | None) -> TestResponse:
        """Open a form, type that, and send it. None unticks a box, or leaves a field out."""
        values = {**self.fields(path), **typed}
        return self.post(
            path, **{name: value for name, value in values.items() if value is not None}
        )

    def sign_in(self, login: str, password: str = PASSWORD, **more: str) -> TestResponse:
        return self.send(SIGN_IN, login=login, password=password, **more)

    def cookie(self) -> str:
        found = self.client.get_cookie("admin_session", path="/admin")
        return "" if found is None else found.value


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app.test_client())


@pytest.fixture
def boss(app: Flask) -> UUID:
    """The administrator who signs in to /admin."""
    account_id, _ = make_user(
        username="boss", email="boss@example.com", name="Boss", role="administrator"
    )
    return account_id


@pytest.fixture
def console(browser: Browser, boss: UUID) -> Browser:
    """A browser in which the boss is signed in."""
    assert browser.sign_in("boss").status_code == 303
    return browser


@pytest.fixture
def log(app: Flask) -> Callable[[], list[dict[str, Any]]]:
    """Read the log of changes, without sign-ins and sign-outs that went well."""

    def read() -> list[dict[str, Any]]:
        rows = db.session.execute(
            sa.select(AdminChange.__table__)
            .order_by(AdminChange.id)
            .where(AdminChange.action.not_in(["sign_in", "sign_out"]))
        )
        return [row._asdict() for row in rows]

    return read


def told(answer: TestResponse) -> str:
    """Return what a page says in its messages."""
    found = re.findall(r'<p class="told[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    return unescape(" ".join(found))


@pytest.fixture
def make(app: Flask) -> Callable[..., dict[str, Any]]:
    """Write a row of that table, and the rows that it refers to."""

    def make(table: str, **given: Any) -> dict[str, Any]:
        with transaction():
            row = {**ROWS[table](make), **given}
            db.session.execute(sa.insert(db.metadata.tables[table]).values(**row))
        return row

    return make


def rows_of(answer: TestResponse) -> list[str]:
    """Return the rows of a list, as they stand in the page."""
    assert answer.status_code == 200, answer.text
    return re.findall(r"<tr>\s*<td class=\"actions\">.*?</tr>", answer.text, re.DOTALL)


def file_of(answer: TestResponse) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(StringIO(answer.text)))
