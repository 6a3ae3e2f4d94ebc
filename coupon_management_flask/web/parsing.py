"""How a request's input is read: bodies as JSON, and faults as fields of the input.

Parameters of a query are checked here too: which of them a route knows, and how often each may be
given.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

import marshmallow as ma
import orjson
from flask import Request, current_app, request
from webargs.flaskparser import FlaskParser

from ..core import errors
from .operations import notes_of

# So many faults of a request are told. What comes after them is not looked at.
MOST_FAULTS = 20
# Names of fields that we don't know are told, shortened to this.
LONGEST_NAME_TOLD = 100

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class MissingBody(errors.DomainError):
    name = "malformed_request"
    wording = "missing_body"


class MalformedJson(errors.DomainError):
    """A body that is no JSON. `line` and `column` count from 1, the column in characters."""

    name = "malformed_request"
    wording = "malformed_json"

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(reason=reason, line=line, column=column)


class Parser(FlaskParser):
    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        # Whatever the Content-Type says, a body is JSON.
        body = read_json(req.get_data(cache=True))
        if not isinstance(body, dict):
            raise errors.Invalid({"body": ["It must be a JSON object."]})
        return body

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        # webargs nests the messages under where the input came from, which a client knows.
        faults = (fault for where in error.messages_dict.values() for fault in _flat(where))
        raise errors.Invalid(dict(islice(faults, MOST_FAULTS)))


def read_json(body: bytes) -> Any:
    """Return what a body says. A byte order mark before it is read over.

    Raises: MissingBody, MalformedJson.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if not text.strip():
            raise MissingBody from error
        raise _malformed(text, error) from error


def _malformed(text: bytes, error: orjson.JSONDecodeError) -> MalformedJson:
    try:
        text.decode()
    except UnicodeDecodeError as bad:
        # orjson does not say where.
        before = text[: bad.start].decode()
        line_begins = before.rfind("\n") + 1
        return MalformedJson(
            "it is not UTF-8", before.count("\n") + 1, len(before) - line_begins + 1
        )
    return MalformedJson(error.msg, error.lineno, error.colno)


def _flat(messages: Any, above: str = "") -> Iterator[tuple[str, list[str]]]:
    if not isinstance(messages, dict):
        yield above or "body", messages if isinstance(messages, list) else [str(messages)]
        return
    for name, inner in messages.items():
        # `_schema` is marshmallow's name for what is wrong with an object as a whole.
        own = "" if name == "_schema" else str(name)[:LONGEST_NAME_TOLD]
        yield from _flat(inner, ".".join(filter(None, (above, own))))


def check_parameters() -> None:
    """Refuse a parameter that the route does not know, and one that is given too often.

    Routes that ignore parameters that they do not know say so (`Routes`, `route`).

    Raises: Invalid.
    """
    # Most requests have no query, and pay for this line alone.
    if not request.environ.get("QUERY_STRING"):
        return
    notes = notes_of(current_app.view_functions[request.endpoint or ""])
    expected = notes.parameters
    faults: dict[str, list[str]] = {}
    for name, values in request.args.lists():
        if name not in expected.known:
            if not notes.ignores_parameters:
                faults[name[:LONGEST_NAME_TOLD]] = ["Unknown parameter."]
        elif len(values) > 1 and name not in expected.repeatable:
            faults[name] = ["It may be given only once."]
        if len(faults) == MOST_FAULTS:
            break
    if faults:
        raise errors.Invalid(faults)
