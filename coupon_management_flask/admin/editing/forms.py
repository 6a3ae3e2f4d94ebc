"""Forms: the fields of a schema as a browser shows and sends them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import marshmallow as ma
import orjson
from flask import abort, flash
from flask_admin.form import BaseForm
from marshmallow import validate
from wtforms import BooleanField, Field, HiddenField, SelectField, StringField, TextAreaField

from ...core.clock import rfc3339
from ...promos.schemas import Day
from ...web.body import AmountField, Moment, Truth, Whole

LONG_TEXT = 200

SchemaField = ma.fields.Field[Any]
Texts = dict[str, str]
"""The fields of a form as a browser sends them. A box that is not ticked is empty."""


class RowForm(BaseForm):
    """A form of a row, by the names of a schema's fields."""

    names: tuple[str, ...]
    # Found out when it is sent: which fields somebody has typed into, and what the schema makes
    # of them.
    changed: Sequence[str]
    loaded: dict[str, Any] | None = None

    def sent(self) -> Texts:
        return {name: _sent(self[name]) for name in self.names}


class EditForm(RowForm):
    """A form of a row that exists. It knows what stood in it when it was opened."""

    shown = HiddenField()
    was: Texts

    def opened_with(self) -> Texts:
        """Return what stood in the form when it was opened. A 400 for what is no form of ours."""
        try:
            shown = orjson.loads(self.shown.data or "")
        except orjson.JSONDecodeError:
            abort(400)
        if not isinstance(shown, dict) or not all(
            isinstance(shown.get(name), str) for name in self.names
        ):
            abort(400)
        return {name: shown[name].strip() for name in self.names}


def form_class(base: type[RowForm], fields: Mapping[str, SchemaField]) -> type[RowForm]:
    """Return the form of these fields of a schema."""
    inputs = {name: _input(field, name) for name, field in fields.items()}
    return type("Form", (base,), {**inputs, "names": tuple(fields)})


def as_text(value: object) -> str:
    """Return a value as it stands in a form."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else ""
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%S}"
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value.normalize():f}"
        case list():
            return "\n".join(str(each) for each in value)
    return str(value)


def default_of(field: SchemaField) -> object:
    return None if field.load_default is ma.missing else field.load_default


def typed(field: SchemaField, text: str) -> object:
    """Return what an API's client would send for this text.

    Where there is nothing like it, that is the text, which the schema refuses.
    """
    if isinstance(field, Truth):
        return text == "true"
    if isinstance(field, ma.fields.List):
        return [line.strip() for line in text.split("\n") if line.strip()]
    if text == "" and field.allow_none:
        return None
    if isinstance(field, Whole):
        return int(text) if _is_whole(text) else text
    if isinstance(field, Moment):
        try:
            return rfc3339(datetime.fromisoformat(f"{text}+00:00"))
        except ValueError:
            return text
    return text


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    # Whatever is longer is out of bounds, and long numbers take long to read.
    return digits.isascii() and digits.isdigit() and len(text) < 20


def tell(form: RowForm | None, schema: ma.Schema | None, messages: Mapping[str, object]) -> None:
    """Put what is wrong beside its fields, and what belongs to none above them."""
    names = (
        {str(field.data_key or name): name for name, field in schema.fields.items()}
        if schema is not None
        else {}
    )
    for wire_name, words in messages.items():
        name = names.get(wire_name, wire_name)
        if form is not None and name in form:
            form[name].errors = [*form[name].errors, *_sentences(words)]
        elif isinstance(words, dict):
            tell(form, schema, words)
        else:
            flash(f"{name.replace('_', ' ')}: {' '.join(_sentences(words))}", "error")


def _sentences(words: object) -> list[str]:
    """Return all that is said of a field, and of what is in it."""
    if isinstance(words, dict):
        return [sentence for inner in words.values() for sentence in _sentences(inner)]
    return (
        [str(sentence) for sentence in words] if isinstance(words, list | tuple) else [str(words)]
    )


def _sent(field: Field) -> str:
    if isinstance(field, BooleanField):
        return "true" if field.data else ""
    return (field.data or "").replace("\r\n", "\n").strip()


def _input(field: SchemaField, name: str) -> Field:
    label = name.replace("_", " ").capitalize()
    choices, longest = _choices(field), _longest(field)
    if choices:
        return SelectField(label, choices=choices)
    match field:
        case Truth():
            return BooleanField(label)
        case Moment():
            return StringField(f"{label} (UTC)", render_kw={"type": "datetime-local", "step": "1"})
        case Day():
            return StringField(label, render_kw={"type": "date"})
        case Whole():
            return StringField(label, render_kw={"inputmode": "numeric"})
        case AmountField():
            return StringField(label, render_kw={"inputmode": "decimal"})
        case ma.fields.List():
            return TextAreaField(label, description="One to a line.", render_kw={"rows": 4})
    return (
        TextAreaField(label, render_kw={"rows": 4})
        if longest is not None and longest > LONG_TEXT
        else StringField(label)
    )


def _choices(field: SchemaField) -> list[str]:
    for rule in field.validators:
        if isinstance(rule, validate.OneOf):
            return [str(choice) for choice in rule.choices]
    return []


def _longest(field: SchemaField) -> int | None:
    for rule in field.validators:
        if isinstance(rule, validate.Length) and rule.max:
            return rule.max
    return None
