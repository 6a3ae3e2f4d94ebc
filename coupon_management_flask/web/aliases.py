"""Other names of calls and fields, by which clients of earlier services call and send them.

An alias is the call that it stands for: the same view, limits and answers. Its Idempotency-Key is
that call's too, so that a request which is sent again by the other name happens once.
"""

from collections.abc import Callable, Mapping
from copy import copy
from functools import wraps
from typing import Any, ClassVar, TypeVar

import marshmallow as ma
import orjson
from flask import current_app, request

from .body import BoundedSchema, Routes
from .operations import VARIABLE, View, note, notes_of

T = TypeVar("T")

# In the description of the API it names the field that another one stands for.
_STANDS_FOR = "x-stands-for"


# --- Calls


def alias(
    routes: Routes, rule: str, *, of: str, name: str, methods: list[str]
) -> Callable[[View], View]:
    """Register a view under another path too. It stands above the view's own `route`.

    `of` is the path that it stands for, below the same prefix, and `name` is its name in OpenAPI.
    """

    def register(view: View) -> View:
        _register(routes, rule, f"{routes.url_prefix}{of}", name, methods, view)
        return view

    return register


def same_under(routes: Routes, url_prefix: str, *, ending: str) -> Routes:
    """Return routes that are all of these under another prefix.

    Their names in OpenAPI are those of the calls that they stand for, with this ending.
    """
    same = Routes(
        f"{routes.name}-{ending}",
        routes.import_name,
        error_schema=routes.error_schema,
        tag=routes.tag,
        url_prefix=url_prefix,
        description=routes.description,
    )
    for rule, methods, view in routes.declared:
        name = f"{view.__name__}_{ending}"
        _register(same, rule, f"{routes.url_prefix}{rule}", name, methods, view)
    return same


def _register(
    routes: Routes, rule: str, original: str, name: str, methods: list[str], view: View
) -> None:
    @wraps(view)
    def called(*args: object, **path: object) -> object:
        return view(*args, **path)

    called.__name__ = name
    note(called, original=original)
    shown = VARIABLE.sub(r"{\1}", original)
    described = routes.doc(
        deprecated=True, operationId=name, description=f"Another name for `{shown}`."
    )
    routes.route(rule, methods=methods)(described(called))


def original_path() -> str:
    """Return the path of the current request, or of the call that it is another name for."""
    original = notes_of(current_app.view_functions[str(request.endpoint)]).original
    if not original:
        return request.path
    given = request.view_args or {}
    return VARIABLE.sub(lambda variable: str(given[variable[1]]), original)


# --- Fields


def other_name(name: str, field: ma.fields.Field[T]) -> ma.fields.Field[T]:
    """Return a field by which another one of a `Renaming` schema may be sent."""
    other = _copy_of(field, name, **{_STANDS_FOR: name})
    other.required, other.load_default = False, ma.missing
    # Nothing is loaded by it: two fields of one attribute are refused.
    other.attribute = f"{name} by another name"
    return other


def shown_too(name: str, field: ma.fields.Field[T]) -> ma.fields.Field[T]:
    """Return a field that shows once more what the field of this name shows."""
    other = _copy_of(field, name)
    other.attribute, other.dump_only = field.attribute or name, True
    return other


def _copy_of(field: ma.fields.Field[T], name: str, **said: str) -> ma.fields.Field[T]:
    other = copy(field)
    described = {"deprecated": True, "description": f"Another name for `{name}`."}
    other.metadata = {**field.metadata, **described, **said}
    return other


class Renaming(BoundedSchema):
    """An object of which some fields may come by another name.

    What is wrong with such a field is told under the name by which it came. Where `drops_empty`
    says so, an empty string in an optional field is none, but for those that `may_be_empty`: forms
    send all of their fields.
    """

    drops_empty: ClassVar[bool] = False
    may_be_empty: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._names = {
            name: str(field.metadata[_STANDS_FOR])
            for name, field in self.load_fields.items()
            if _STANDS_FOR in field.metadata
        }

    @ma.pre_load
    def by_their_own_names(self, sent: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        found = sent
        if self.drops_empty:
            found = {name: value for name, value in sent.items() if not self._is_none(name, value)}
        named = {other: name for other, name in self._names.items() if other in found}
        if not named:
            return found
        found = dict(found)
        for other, name in named.items():
            value = found.pop(other)
            if name in found and not _is_same(found[name], value):
                raise ma.ValidationError(f"It is not what `{name}` says.", other)
            found[name] = value
        return found

    def _is_none(self, name: str, value: object) -> bool:
        field = self.load_fields.get(name)
        return (
            value == ""
            and field is not None
            and not field.required
            and name not in self.may_be_empty
        )

    def handle_error(self, error: ma.ValidationError, data: Mapping[str, Any], **_: Any) -> None:
        """Tell what is wrong under the names that were sent; see marshmallow."""
        messages = error.messages_dict
        for other, name in self._names.items():
            if name in messages and other in data and name not in data:
                messages[other] = messages.pop(name)


def _is_same(one: object, other: object) -> bool:
    """Return whether two values are the same JSON. To Python, 1 and true are equal."""
    try:
        first, second = (orjson.dumps(it, option=orjson.OPT_SORT_KEYS) for it in (one, other))
    except orjson.JSONEncodeError:
        # Nested more deeply than any field takes.
        return False
    return first == second
