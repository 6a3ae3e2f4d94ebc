"""What is noted about a view for the API description, beside the view itself.

Decorators note what they do on the view (`note`). A feature has a table of its operations
(`Described`): what they refuse, and examples. `web/describing.py` reads both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ..core import errors

View = TypeVar("View", bound=Callable[..., Any])

# What OpenAPI describes with: JSON, as its specification has it.
Description = dict[str, Any]

Headers = dict[str, Description]
"""Of an answer."""

NO_STORE: Headers = {
    "Cache-Control": {
        "description": "No cache may keep tokens.",
        "required": True,
        "schema": {"type": "string", "const": "no-store"},
    }
}


@dataclass(frozen=True, slots=True)
class Described:
    """What the API description says of an operation beyond its route.

    `name` is its operationId: the view's name, unless another operation has that.
    `refuses` are errors beyond those that follow from its guard, its arguments and its being a
    route at all. Their statuses and sentences are the contract's.
    `refuses_field` are those that are told beside a field of the body, as 400.
    `more` goes on from the summary.
    `path` and `query` are examples of parameters, `body` is one of a body. They work against the
    example data (`make run`) as they stand, but where `needs` says what there has to be first:
    then they are answered with the first error of `refuses`.
    """

    name: str = ""
    refuses: tuple[type[errors.DomainError], ...] = ()
    refuses_field: tuple[type[errors.DomainError], ...] = ()
    more: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, object] = field(default_factory=dict)
    body: object = None
    needs: str = ""


Operations = Mapping[str, Described]
"""A feature's operations by the names of their views."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the forms that an object may have, for the API description.

    It has no fields `without`, must have those that are `required`, and `where` has values of some.
    """

    without: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Guarded:
    """What a guard asks for."""

    api_key: bool
    idempotent: bool
    kind: str
    tokens: tuple[str, ...]
    role: str | None
    permission: str | None

    @property
    def may_forbid(self) -> bool:
        return bool(self.role or self.permission)


@dataclass(frozen=True, slots=True)
class Notes:
    """What the decorators of a view have noted."""

    refuses: frozenset[int] = frozenset()
    guarded: Guarded | None = None


def notes_of(view: Callable[..., object]) -> Notes:
    notes = getattr(view, "notes", None)
    return notes if isinstance(notes, Notes) else Notes()


def note(view: View, **changes: Any) -> View:
    """Note something about a view. functools.wraps hands the notes on to whatever wraps it."""
    view.notes = replace(notes_of(view), **changes)  # type: ignore[attr-defined]
    return view
