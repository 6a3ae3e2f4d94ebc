"""The exact answers of `/v1`, and what each of its calls must refuse."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from werkzeug.test import TestResponse

from coupon_management_flask.core import clock

WORDS = {
    200: "OK",
    201: "CREATED",
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    429: "TOO_MANY_REQUESTS",
}


class Like:
    """Equals any text that passes a check, for values that only the service can know."""

    def __init__(self, what: str, passes: Callable[[str], bool]) -> None:
        self.what, self.passes = what, passes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.passes(other)

    def __repr__(self) -> str:
        return f"<{self.what}>"


def _is_new_id(text: str) -> bool:
    return (
        re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None
        and UUID(text).version == 7
    )


def _is_now(text: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
        return False
    return abs(clock.now() - datetime.fromisoformat(text)) < timedelta(minutes=1)


AN_ID = Like("a UUID of version 7", _is_new_id)
NOW = Like("this moment, as RFC 3339 in UTC", _is_now)
THIS_SECOND = Like("this moment, to the second", lambda text: _is_now(text) and "." not in text)


def ok(answer: TestResponse, data: Any, status: int = 200) -> None:
    """Check that an answer is a success with exactly this data."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    assert answer.json == {
        "http_status_code": status,
        "http_status": WORDS[status],
        "data": data,
        "error": {},
        "timestamp": THIS_SECOND,
    }


def refused(answer: TestResponse, status: int, name: str) -> str:
    """Check that an answer is this error, and return its message."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    message = answer.json["error"].get("message")
    error = {"message": message, "error_code": name}
    assert answer.json == {
        "http_status_code": status,
        "http_status": WORDS[status],
        "data": {},
        "error": error,
        "timestamp": THIS_SECOND,
    }
    assert isinstance(message, str)
    assert message
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert ("Retry-After" in answer.headers) == (status == 429)
    return message


def invalid(answer: TestResponse, *fields: str) -> None:
    """Check that a request was refused for its shape, and that the message names these fields."""
    words = re.findall(r"[\w-]+", refused(answer, 400, "validation_error"))
    assert set(fields) <= set(words), words


def shown(coupon: Any, **changed: Any) -> dict[str, Any]:
    """Return a coupon as users see it."""
    return {
        "id": str(coupon.id),
        "name": coupon.name,
        "value": coupon.value,
        "number_left": coupon.number_left,
        "expiration_date": coupon.expiration_date.isoformat().replace("+00:00", "Z"),
        "active": coupon.is_active,
        **changed,
    }


def shown_with_code(coupon: Any, **changed: Any) -> dict[str, Any]:
    """Return a coupon as administrators see it, and everybody who knows its hidden code."""
    return {**shown(coupon), "hidden_code": coupon.hidden_code, **changed}


def user_of(person: Any, *, name: str, credit: int) -> dict[str, Any]:
    return {"id": str(person.id), "username": person.username, "name": name, "credit": credit}


def meta(page: int, pages: int, total_count: int) -> dict[str, Any]:
    has_prev, has_next = page > 1, page < pages
    return {
        "page": page,
        "pages": pages,
        "total_count": total_count,
        "prev_page": page - 1 if has_prev else None,
        "next_page": page + 1 if has_next else None,
        "has_next": has_next,
        "has_prev": has_prev,
    }


# Values out of bounds or not a number, for every list.
WRONG_PAGES = [
    f"{name}={value}"
    for name in ("page", "per_page")
    for value in ("0", "-1", "", "x", "1.0", "1e1", "true", "%2B1", "%201", "%D9%A1", "9999999999")
] + ["per_page=101"]

# Values of the wrong type, for every field of a body.
NOT_TEXT = [None, 1, 1.5, True, [], {}]
NOT_WHOLE = [None, "1", "", 1.0, 1.5, True, [], {}]
NOT_TRUTH = [None, "true", 0, 1, [], {}]
NOT_A_MOMENT = [
    None,
    4102444800,
    True,
    "",
    "soon",
    "2100-01-01",
    "2100-01-01T00:00:00",
    "2100-02-30T00:00:00Z",
    "2100-01-01T25:00:00Z",
    [],
    {},
]


def each(**wrong: Iterable[Any]) -> list[tuple[str, Any]]:
    """Pair each field with each of its wrong values."""
    return [(field, value) for field, values in wrong.items() for value in values]
