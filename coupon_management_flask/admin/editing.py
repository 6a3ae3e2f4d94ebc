"""Views in which something may be changed: by the use cases of the API, held to its schemas, and written into the log by the same transaction."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import marshmallow as ma
import orjson
import sqlalchemy as sa
from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.form import BaseForm
from marshmallow import validate
from wtforms import BooleanField, Field, HiddenField, SelectField, StringField, TextAreaField

from ..core import errors
from ..core.clock import rfc3339
from ..db.failures import retried
from ..db.session import db, transaction
from ..identity import change_log
from ..models import ChangeAction
from ..promos.schemas import Day
from ..web.body import AmountField, Moment, Truth, Whole
from .access import administrator
from .errors import CONTRACT, ChangedMeanwhile
from .tables import Row, TableView

LONG_TEXT = 200

Texts = dict[str, str]
"""The fields of a form, by the schema's names, as a browser sends them; a box that is not ticked is empty."""


class EditableView(TableView):
    """A row is changed by `change`, which is given what `schema` makes of the fields that were changed in the form."""

    create_template = "console/edit.html"
    edit_template = "console/edit.html"
    delete_template = "console/delete.html"

    schema: ma.Schema
    # The fields of the form, and by which column each is filled where that has another name.
    fields: Mapping[str, str | None] = {}
    # Those that others change all the time: what is typed there counts, whatever they have become meanwhile.
    moving: frozenset[str] = frozenset()
    new_schema: ma.Schema
    new_fields: tuple[str, ...] = ()

    # The use cases

    def prepare(self) -> None:
        """What has to be done before the transaction."""

    def hold(self, row: Row) -> None:
        """Nobody else changes the row until the transaction ends. Locks are taken in the order in which the use case takes them."""
        key = self.key(self.get_pk_value(row))
        db.session.execute(
            sa.select(sa.literal(1))
            .select_from(self.table)
            .where(self.is_row(key))
            .with_for_update()
        )

    def change(self, row: Row, changes: dict[str, Any]) -> None:
        raise NotImplementedError

    def create(self, given: dict[str, Any]) -> tuple[Any, ...]:
        """Makes a row and says its key."""
        raise NotImplementedError

    def delete(self, row: Row) -> None:
        raise NotImplementedError

    # Forms

    def get_edit_form(self) -> type[BaseForm]:
        return self._form(self.schema, tuple(self.fields)) if self.can_edit else BaseForm

    def get_create_form(self) -> type[BaseForm]:
        return self._form(self.new_schema, self.new_fields) if self.can_create else BaseForm

    def _form(self, schema: ma.Schema, names: tuple[str, ...]) -> type[BaseForm]:
        fields = {name: _input(self.field(schema, name), name) for name in names}
        return type("Form", (BaseForm,), {**fields, "shown": HiddenField()})

    def edit_form(self, obj: Any = None) -> BaseForm:
        texts = self.texts(obj)
        if request.method == "POST":
            return self._edit_form_class(request.form)
        return self._edit_form_class(data={**texts, "shown": orjson.dumps(texts).decode()})

    def create_form(self, obj: Any = None) -> BaseForm:
        if request.method == "POST":
            return self._create_form_class(request.form)
        return self._create_form_class(
            data={
                name: as_text(_default(self.field(self.new_schema, name)))
                for name in self.new_fields
            }
        )

    def texts(self, row: Row) -> Texts:
        return {name: as_text(row[column or name]) for name, column in self.fields.items()}

    def field(self, schema: ma.Schema, name: str) -> Any:
        """What a field of the form is to the schema."""
        return schema.fields[name]

    def payload(self, schema: ma.Schema, changed: list[str], sent: Texts) -> dict[str, Any]:
        """What the schema is given: as the API's clients would send it."""
        return {
            str(schema.fields[name].data_key or name): typed(schema.fields[name], sent[name])
            for name in changed
        }

    def together(self, changed: list[str]) -> list[str]:
        """The fields that are changed as well by changing these."""
        return changed

    def validate_form(self, form: BaseForm) -> bool:
        if request.method != "POST":
            return False
        is_new = request.endpoint == f"{self.endpoint}.create_view"
        schema, names = (
            (self.new_schema, self.new_fields) if is_new else (self.schema, tuple(self.fields))
        )
        form.validate()
        sent = {name: _sent(form[name]) for name in names}
        if is_new:
            form.changed = [
                name for name in names if sent[name] or isinstance(self.field(schema, name), Truth)
            ]
        else:
            form.was = _shown(form.shown.data, names)
            form.changed = [name for name in names if sent[name] != form.was[name]]
        form.loaded = None
        if not form.errors:
            try:
                form.loaded = (
                    schema.load(self.payload(schema, form.changed, sent))
                    if form.changed or is_new
                    else {}
                )
            except ma.ValidationError as error:
                _tell(form, schema, error.messages_dict)
        return form.loaded is not None

    # What Flask-Admin calls with a form that is right

    def update_model(self, form: BaseForm, model: Row) -> bool:
        return self._done(form, self.schema, lambda: self._change(form, model))

    def create_model(self, form: BaseForm) -> bool:
        return self._done(form, self.new_schema, lambda: self._create(form.loaded))

    def delete_model(self, model: Row) -> bool:
        return self._done(None, None, lambda: self._delete(model))

    def _done(self, form: Any, schema: Any, work: Any) -> bool:
        """Does it, or says why not."""
        try:
            self.prepare()
            work()
            return True
        except errors.Invalid as error:
            _tell(form, schema, error.fields)
        except errors.DomainError as error:
            flash(CONTRACT.problem(error).sentence(), "error")
        return False

    @retried
    def _change(self, form: BaseForm, model: Row) -> None:
        key = self.key(self.get_pk_value(model))
        with transaction():
            self.hold(model)
            before = self._read(key)
            if before is None:
                raise errors.NotFound
            now = self.texts(before)
            if any(
                now[name] != form.was[name]
                for name in self.together(form.changed)
                if name not in self.moving
            ):
                raise ChangedMeanwhile
            if not form.changed:
                return
            self.change(before, form.loaded)
            after = self._read(key)
            assert after is not None
            change_log.write_change(
                self.table.name,
                self.get_pk_value(model),
                by=administrator().id,
                before=_facts(before),
                after=_facts(after),
            )

    @retried
    def _create(self, given: dict[str, Any]) -> None:
        with transaction():
            row = self._read(self.create(given))
            assert row is not None
            change_log.write(
                ChangeAction.CREATE,
                self.table.name,
                self.get_pk_value(row),
                by=administrator().id,
                after=_facts(row),
            )

    @retried
    def _delete(self, model: Row) -> None:
        with transaction():
            self.hold(model)
            before = self._read(self.key(self.get_pk_value(model)))
            if before is None:
                raise errors.NotFound
            self.delete(before)
            change_log.write(
                ChangeAction.DELETE,
                self.table.name,
                self.get_pk_value(model),
                by=administrator().id,
                before=_facts(before),
            )

    # Deleting asks first, on a page of its own: no script does

    @expose("/delete/", methods=("GET",))
    def confirm_delete(self) -> str:
        row = self.get_one(request.args.get("id"))
        return self.render(
            self.delete_template,
            model=row,
            details_columns=self._details_columns,
            get_value=self.get_detail_value,
        )

    @expose("/delete/", methods=("POST",))
    def delete_view(self) -> ResponseReturnValue:
        if self.delete_model(self.get_one(request.form.get("id"))):
            flash("Deleted.", "success")
        return redirect(self.get_url(".index_view"), 303)


def _facts(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if "__" not in name}


def _input(field: Any, name: str) -> Field:
    label = name.replace("_", " ").capitalize()
    choices = next(
        (rule.choices for rule in _rules(field) if isinstance(rule, validate.OneOf)), None
    )
    longest = next(
        (rule.max for rule in _rules(field) if isinstance(rule, validate.Length) and rule.max), None
    )
    if choices:
        return SelectField(label, choices=list(choices))
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
        if longest and longest > LONG_TEXT
        else StringField(label)
    )


def _rules(field: Any) -> list[Any]:
    return list(field.validators)


def _default(field: Any) -> Any:
    return None if field.load_default is ma.missing else field.load_default


def as_text(value: Any) -> str:
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


def _sent(field: Field) -> str:
    if isinstance(field, BooleanField):
        return "true" if field.data else ""
    return (field.data or "").replace("\r\n", "\n").strip()


def _shown(text: str | None, names: tuple[str, ...]) -> Texts:
    """What stood in the form when it was opened. A 400 for what is no form of ours."""
    try:
        shown = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        abort(400)
    if not isinstance(shown, dict) or not all(isinstance(shown.get(name), str) for name in names):
        abort(400)
    return {name: shown[name].strip() for name in names}


def typed(field: Any, text: str) -> Any:
    """What an API's client would send for this text; where there is nothing like it, the text, which the schema refuses."""
    if isinstance(field, Truth):
        return text == "true"
    if isinstance(field, ma.fields.List):
        return [line.strip() for line in text.split("\n") if line.strip()]
    if text == "" and field.allow_none:
        return None
    if isinstance(field, Whole):
        return (
            int(text)
            if text.removeprefix("-").isascii()
            and text.removeprefix("-").isdigit()
            and len(text) < 20
            else text
        )
    if isinstance(field, Moment):
        try:
            return rfc3339(datetime.fromisoformat(f"{text}+00:00"))
        except ValueError:
            return text
    return text


def _tell(form: Any, schema: Any, messages: Mapping[str, Any]) -> None:
    """Puts what is wrong beside its fields; what belongs to none above them."""
    names = (
        {str(field.data_key or name): name for name, field in schema.fields.items()}
        if schema is not None
        else {}
    )
    for wire_name, words in messages.items():
        name = names.get(wire_name, wire_name)
        has_field = form is not None and name in form
        if isinstance(words, dict) and not has_field:
            _tell(form, schema, words)
        elif has_field:
            form[name].errors = [*form[name].errors, *_sentences(words)]
        else:
            flash(f"{name.replace('_', ' ')}: {' '.join(_sentences(words))}", "error")


def _sentences(words: Any) -> list[str]:
    """All that is said of a field, and of what is in it."""
    if isinstance(words, dict):
        return [sentence for inner in words.values() for sentence in _sentences(inner)]
    return (
        [str(sentence) for sentence in words] if isinstance(words, list | tuple) else [str(words)]
    )
