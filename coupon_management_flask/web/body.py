"""Bodies, queries and answers: marshmallow in, marshmallow out, and OpenAPI from the same schemas.

Types are strict: a string is no number, a boolean neither. Schemas are passed as instances; a class
would be built anew for each request.

Size comes before work. Marshmallow looks at lengths last, when all that is inside has been worked
on, so the base fields here look at them first: `Text`, `BoundedList` and, for objects,
`BoundedSchema`. What a route takes is made of these.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import flask_smorest
import marshmallow as ma
import orjson
from flask import Request
from marshmallow import validate
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest

from ..core import errors, money
from ..core.clock import rfc3339
from ..core.money import number
from ..identity import passwords
from ..models import AMOUNT_DECIMALS
from ..text import mailboxes
from .operations import NO_STORE as NO_STORE
from .operations import Description, View, note, notes_of
from .operations import Headers as Headers

# Larger whole numbers would overflow a sum somewhere, and nobody means them.
LARGEST = 1_000_000_000
# In a currency's major unit. Larger ones would lose their cents as JSON numbers.
LARGEST_AMOUNT = Decimal(1_000_000_000_000)
# So many faults of a body are told. What comes after them is not looked at.
MOST_FAULTS = 20
# Names of fields that we don't know are told, shortened to this.
LONGEST_NAME_TOLD = 100
# What somebody may type to sign in. No longer name or token was ever given.
LONGEST_LOGIN, LONGEST_TOKEN = 1000, 1000
LONGEST_PASSWORD = passwords.LONGEST_LOOKED_AT

T = TypeVar("T")


class BoundedSchema(ma.Schema):
    """An object that is not looked into where it has far more fields than it may have."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._expected = {field.data_key or name for name, field in self.load_fields.items()}
        self._most_fields = len(self._expected) + MOST_FAULTS

    def load(self, data: Any, *, unknown: Any = None, **kwargs: Any) -> Any:
        """Load an object; see marshmallow.

        Raises: ma.ValidationError.
        """
        if (
            isinstance(data, dict)
            and len(data) > self._most_fields
            and (unknown or self.unknown) == ma.RAISE
        ):
            others = (name for name in data if name not in self._expected)
            words = [self.error_messages["unknown"]]
            raise ma.ValidationError(dict.fromkeys(islice(others, MOST_FAULTS), words))
        return super().load(data, unknown=unknown, **kwargs)


class BoundedList(ma.fields.List[T]):
    """A list of `shortest` to `longest` values. Those after the 20th bad one are not looked at."""

    def __init__(
        self, inner: ma.fields.Field[T], shortest: int | None, longest: int, **kwargs: Any
    ) -> None:
        self._length = validate.Length(shortest, longest)
        rules = [self._length, *kwargs.pop("rules", [])]
        super().__init__(inner, validate=rules, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[T | None]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        self._length(value)
        loaded: list[T | None] = []
        faults: dict[int, Any] = {}
        for position, one in enumerate(value):
            try:
                loaded.append(self.inner.deserialize(one, **kwargs))
            except ma.ValidationError as error:
                faults[position] = error.messages
                if len(faults) == MOST_FAULTS:
                    break
        if faults:
            raise ma.ValidationError(faults)
        return loaded


# PostgreSQL can't store it.
_NO_NULL: dict[str, str | list[Any] | dict[Any, Any]] = {
    "null_character": "Null characters are not allowed."
}


class Text(ma.fields.String):
    """Text of `shortest` to `longest` characters, without NUL."""

    default_error_messages = _NO_NULL

    def __init__(
        self, shortest: int = 1, longest: int = 1000, *, too_long: str | None = None, **kwargs: Any
    ) -> None:
        self.longest = longest
        self._length = validate.Length(min=shortest, max=longest, error=too_long)
        super().__init__(validate=[self._length, *kwargs.pop("rules", [])], **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text) > self.longest:
            self._length(text)
        if "\x00" in text:
            raise self.make_error("null_character")
        return text


class Credential(ma.fields.String):
    """A name, password or token that somebody shows, whatever its length.

    Lengths are checked when it is set or given. What is longer than any that there is gets cut: it
    is wrong as it was, and costs no more than others.
    """

    default_error_messages = _NO_NULL

    def __init__(self, longest: int, **kwargs: Any) -> None:
        self.longest = longest
        super().__init__(required=True, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        shown = super()._deserialize(value, attr, data, **kwargs)[: self.longest + 1]
        if "\x00" in shown:
            raise self.make_error("null_character")
        return shown


class EmailAddress(Text):
    """An address that is well-formed. Whether it receives mail shows when mail is sent."""

    def __init__(self, shortest: int = 3, longest: int = 254, **kwargs: Any) -> None:
        super().__init__(shortest, longest, metadata={"format": "email"}, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        address = super()._deserialize(value, attr, data, **kwargs)
        try:
            return mailboxes.checked(address)
        except ValueError as error:
            raise ma.ValidationError("Not a valid e-mail address.") from error


class Whole(ma.fields.Integer):
    """A JSON integer: no string, no boolean, no 5.0."""

    def __init__(
        self, smallest: int | None = None, largest: int | None = LARGEST, **kwargs: Any
    ) -> None:
        rules = [validate.Range(smallest, largest), *kwargs.pop("rules", [])]
        super().__init__(strict=True, validate=rules, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        if type(value) is not int:
            raise self.make_error("invalid", input=value)
        return value


class Truth(ma.fields.Boolean):
    """A JSON boolean, and nothing else that is true or false."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> bool:
        if type(value) is not bool:
            raise self.make_error("invalid", input=value)
        return value


class QueryWhole(Whole):
    """A whole number in a query: ASCII digits alone."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,100}", value, re.ASCII):
            raise self.make_error("invalid", input=value)
        return int(value)


class QueryTruth(ma.fields.Boolean):
    """`true` or `false`, in a query."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> bool:
        if value not in ("true", "false"):
            raise self.make_error("invalid", input=value)
        return bool(value == "true")


class Moment(ma.fields.Field[datetime]):
    """A point in time by RFC 3339: with a zone on the way in, in UTC with `Z` on the way out."""

    default_error_messages = {"invalid": "Not a valid RFC 3339 time."}
    _FORMAT = re.compile(
        r"\d{4}-\d{2}-\d{2}[Tt ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
        r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
        re.ASCII,
    )

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(
            metadata={"type": "string", "format": "date-time", **(metadata or {})}, **kwargs
        )

    def _serialize(
        self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any
    ) -> str | None:
        return None if value is None else rfc3339(value)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> datetime:
        if not isinstance(value, str) or not self._FORMAT.fullmatch(value):
            raise self.make_error("invalid")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.make_error("invalid") from error


class AmountField(ma.fields.Field[Decimal]):
    """An amount, never negative. Comes in as number or string, goes out as number."""

    default_error_messages = {
        "invalid": "Not a valid amount: a number, or a string of decimals.",
        "large": f"It must be between 0 and {LARGEST_AMOUNT}.",
        "fine": f"It must have at most {AMOUNT_DECIMALS} decimals.",
    }
    _DECIMALS = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)
    _DOCUMENTED = {
        "type": ["number", "string"],
        "minimum": 0,
        "maximum": int(LARGEST_AMOUNT),
        "pattern": r"^\d{1,13}(\.\d{1,4})?$",
    }

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(metadata={**self._DOCUMENTED, **(metadata or {})}, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Decimal:
        if type(value) in (int, float):
            # A float's repr is what was written: the shortest text that gives this float.
            amount = Decimal(repr(value))
        elif isinstance(value, str) and self._DECIMALS.fullmatch(value):
            amount = Decimal(value)
        else:
            raise self.make_error("invalid")
        if not 0 <= amount <= LARGEST_AMOUNT:
            raise self.make_error("large")
        if amount != round(amount, AMOUNT_DECIMALS):
            raise self.make_error("fine")
        return abs(amount)


class NumberField(ma.fields.Field[Any]):
    """An amount, as a JSON number."""

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(metadata={"type": "number", **(metadata or {})}, **kwargs)

    def _serialize(
        self, value: Any, attr: str | None, obj: Any, **kwargs: Any
    ) -> int | float | None:
        return number(value)


class CurrencyField(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(3, 3, rules=[_is_currency], **kwargs)


def _is_currency(code: str) -> None:
    if not money.is_currency(code):
        raise ma.ValidationError("Not an ISO 4217 currency code.")


class IdField(ma.fields.UUID):
    """A UUID in its usual form. UUID() alone also takes braces, prefixes and no dashes."""

    FORMAT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> UUID:
        if not isinstance(value, str) or not self.FORMAT.fullmatch(value):
            raise self.make_error("invalid_uuid")
        return super()._deserialize(value, attr, data, **kwargs)


class _Parser(FlaskParser):
    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        # Whatever the Content-Type says, a body is JSON.
        try:
            body = orjson.loads(req.get_data(cache=True))
        except orjson.JSONDecodeError as error:
            raise BadRequest from error
        if not isinstance(body, dict):
            raise errors.Invalid({"body": ["It must be a JSON object."]})
        return body

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        # webargs nests the messages under where the input came from, which a client knows.
        faults = (fault for where in error.messages_dict.values() for fault in _flat(where))
        raise errors.Invalid(dict(islice(faults, MOST_FAULTS)))


def _flat(messages: Any, above: str = "") -> Iterator[tuple[str, list[str]]]:
    if not isinstance(messages, dict):
        yield above or "body", messages if isinstance(messages, list) else [str(messages)]
        return
    for name, inner in messages.items():
        # `_schema` is marshmallow's name for what is wrong with an object as a whole.
        own = "" if name == "_schema" else str(name)[:LONGEST_NAME_TOLD]
        yield from _flat(inner, ".".join(filter(None, (above, own))))


class Routes(flask_smorest.Blueprint):
    """A contract's routes, which know how the contract's errors look.

    `arguments` and `response` are flask-smorest's. `refuses` names the statuses that a route may
    answer beyond those that follow from its guard, its arguments and its being a route at all.
    OpenAPI lists routes under `tag`: their own name, unless they stand beside those of another
    feature.
    """

    ARGUMENTS_PARSER = _Parser()

    def __init__(
        self,
        name: str,
        import_name: str,
        *,
        error_schema: ma.Schema,
        tag: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, import_name, **options)
        self.error_schema = error_schema
        self.tag = tag or name
        self.declared: list[tuple[str, list[str], Callable[..., Any]]] = []

    def route(
        self, rule: str, *, parameters: list[Description] | None = None, **options: Any
    ) -> Callable[[View], View]:
        """Register a view, and describe the ids in its path as UUIDs."""
        ids = [
            {"in": "path", "name": name, "schema": {"type": "string", "format": "uuid"}}
            for name in re.findall(r"<(?:\w+:)?(\w*id)>", rule)
        ]
        register = super().route(
            rule, parameters=[*ids, *(parameters or [])], tags=[self.tag], **options
        )

        def declare(view: View) -> View:
            self.declared.append((rule, options["methods"], view))
            return register(view)  # type: ignore[no-any-return]

        return declare

    def refuses(self, *statuses: int) -> Callable[[View], View]:
        return lambda view: note(view, refuses=notes_of(view).refuses | frozenset(statuses))
