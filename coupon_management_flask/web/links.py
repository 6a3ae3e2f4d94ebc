"""Where what a call has made can be read."""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from urllib.parse import quote

import orjson
from flask import current_app
from flask.typing import ResponseReturnValue

from .. import config
from .operations import View, note

_NAMES = re.compile(r"{([\w.]+)}")


def located(path: str, *, on: tuple[int, ...] = (201, 202)) -> Callable[[View], View]:
    """Tell where what a view has made can be read, in the `Location` of answers of these statuses.

    Names in braces stand for variables of the view's own path, or for what its answer's body says:
    `{data.user.id}`. It stands above the guard, so that an answer that is given again under its
    Idempotency-Key has it again: it follows from the body.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def telling(*args: object, **variables: str) -> ResponseReturnValue:
            response = current_app.make_response(view(*args, **variables))
            if response.status_code in on:
                known = {**variables, **orjson.loads(response.get_data())}
                where = _NAMES.sub(lambda name: quote(_value(known, name[1]), safe=""), path)
                response.headers["Location"] = config.current().link_to(where)
            return response

        return note(telling, located_on=frozenset(on))  # type: ignore[return-value]

    return decorate


def _value(known: Mapping[str, Any], name: str) -> str:
    value: Any = known
    for key in name.split("."):
        value = value[key]
    return str(value)
