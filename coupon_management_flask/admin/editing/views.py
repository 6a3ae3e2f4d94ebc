"""Views in which something may be changed.

The use cases of the API do it, held to the API's schemas. The same transaction writes it into the
log of changes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import marshmallow as ma
import orjson
import sqlalchemy as sa
from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.model import BaseModelView

from ...core import errors
from ...db.failures import retried
from ...db.session import db, transaction
from ...identity import change_log
from ...models import ChangeAction
from ...web.body import Truth
from ..access import administrator
from ..errors import CONTRACT, ChangedMeanwhile
from ..tables.cells import Row
from ..tables.columns import Key
from ..tables.view import TableView, require_id
from .forms import (
    EditForm,
    RowForm,
    SchemaField,
    Texts,
    as_text,
    default_of,
    form_class,
    tell,
    typed,
)


class ChangingView(TableView):
    """What all views have in which something may be changed."""

    create_template = edit_template = "console/edit.html"

    def prepare(self) -> None:
        """Do what has to be done before the transaction."""

    def hold(self, row: Row) -> None:
        """Lock the row until the transaction ends, so that nobody else changes it.

        Locks are taken in the order in which the use case takes them.
        """
        db.session.execute(
            sa.select(sa.literal(1))
            .select_from(self.table)
            .where(self.is_row(self.key(self.get_pk_value(row))))
            .with_for_update()
        )

    def held(self, row: Row) -> Row:
        """Lock a row and return what has become of it since it was read.

        Raises: NotFound if it is gone.
        """
        self.hold(row)
        now = self.read(self.key(self.get_pk_value(row)))
        if now is None:
            raise errors.NotFound
        return now

    def field(self, schema: ma.Schema, name: str) -> SchemaField:
        """Return what a field of the form is to the schema."""
        return schema.fields[name]

    def payload(self, schema: ma.Schema, changed: list[str], sent: Texts) -> dict[str, object]:
        """Return what the schema is given: as the API's clients would send it."""
        return {
            str(schema.fields[name].data_key or name): typed(schema.fields[name], sent[name])
            for name in changed
        }

    def load(self, form: RowForm, schema: ma.Schema, changed: list[str], sent: Texts) -> None:
        """Have the schema load what was typed, or say beside the fields what is wrong."""
        form.changed = changed
        if form.errors:
            return
        try:
            form.loaded = schema.load(self.payload(schema, changed, sent))
        except ma.ValidationError as error:
            tell(form, schema, error.messages_dict)

    def done(
        self, work: Callable[[], None], form: RowForm | None = None, schema: ma.Schema | None = None
    ) -> bool:
        """Do it and return True, or say why not."""
        try:
            self.prepare()
            work()
            return True
        except errors.Invalid as error:
            tell(form, schema, error.fields)
        except errors.DomainError as error:
            flash(CONTRACT.problem(error).sentence(), "error")
        return False


class EditableView(ChangingView):
    """A row is changed by `change`, which gets what `schema` makes of the changed fields."""

    can_edit = True
    schema: ma.Schema
    # The fields of the form, and the column each is filled from where that has another name.
    fields: Mapping[str, str | None]
    # Fields that others change all the time. What is typed there counts, whatever they have
    # become meanwhile.
    moving: frozenset[str] = frozenset()

    def change(self, row: Row, changes: dict[str, Any]) -> None:
        raise NotImplementedError

    def texts(self, row: Row) -> Texts:
        return {name: as_text(row[column or name]) for name, column in self.fields.items()}

    def together(self, changed: list[str]) -> list[str]:
        """Return the fields that these change, themselves among them."""
        return changed

    def get_edit_form(self) -> type[RowForm]:
        return form_class(EditForm, {name: self.field(self.schema, name) for name in self.fields})

    def edit_form(self, obj: Row) -> RowForm:
        if request.method == "POST":
            return self.get_edit_form()(request.form)
        texts = self.texts(obj)
        return self.get_edit_form()(data={**texts, "shown": orjson.dumps(texts).decode()})

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        require_id()
        return BaseModelView.edit_view(self)  # type: ignore[no-any-return]

    def validate_form(self, form: RowForm) -> bool:
        if not isinstance(form, EditForm):
            return bool(super().validate_form(form))
        if request.method != "POST":
            return False
        form.validate()
        form.was, sent = form.opened_with(), form.sent()
        changed = [name for name in form.names if sent[name] != form.was[name]]
        if changed or form.errors:
            self.load(form, self.schema, changed, sent)
        else:
            form.changed, form.loaded = [], {}
        return form.loaded is not None

    def update_model(self, form: EditForm, model: Row) -> bool:
        return self.done(lambda: self._change(form, model), form, self.schema)

    @retried
    def _change(self, form: EditForm, model: Row) -> None:
        with transaction():
            before = self.held(model)
            now = self.texts(before)
            if any(
                now[name] != form.was[name]
                for name in self.together(list(form.changed))
                if name not in self.moving
            ):
                raise ChangedMeanwhile
            if not form.changed:
                return
            assert form.loaded is not None
            self.change(before, form.loaded)
            after = self.read(self.key(self.get_pk_value(model)))
            assert after is not None
            change_log.write_change(
                self.table.name,
                self.get_pk_value(model),
                by=administrator().id,
                before=_facts(before),
                after=_facts(after),
            )


class CreatableView(ChangingView):
    """A row is made by `create`, which gets what `new_schema` makes of the form."""

    can_create = True
    new_schema: ma.Schema
    new_fields: tuple[str, ...]

    def create(self, given: dict[str, Any]) -> Key:
        """Make a row and return its key."""
        raise NotImplementedError

    def get_create_form(self) -> type[RowForm]:
        return form_class(
            RowForm, {name: self.field(self.new_schema, name) for name in self.new_fields}
        )

    def create_form(self, obj: None = None) -> RowForm:
        if request.method == "POST":
            return self.get_create_form()(request.form)
        defaults = {
            name: as_text(default_of(self.field(self.new_schema, name))) for name in self.new_fields
        }
        return self.get_create_form()(data=defaults)

    create_view = BaseModelView.create_view

    def validate_form(self, form: RowForm) -> bool:
        if isinstance(form, EditForm):
            return bool(super().validate_form(form))
        if request.method != "POST":
            return False
        form.validate()
        sent = form.sent()
        given = [
            name
            for name in form.names
            if sent[name] or isinstance(self.field(self.new_schema, name), Truth)
        ]
        self.load(form, self.new_schema, given, sent)
        return form.loaded is not None

    def create_model(self, form: RowForm) -> bool:
        assert form.loaded is not None
        given = form.loaded
        return self.done(lambda: self._create(given), form, self.new_schema)

    @retried
    def _create(self, given: dict[str, Any]) -> None:
        with transaction():
            row = self.read(self.create(given))
            assert row is not None
            change_log.write(
                ChangeAction.CREATE,
                self.table.name,
                self.get_pk_value(row),
                by=administrator().id,
                after=_facts(row),
            )


class DeletableView(ChangingView):
    """A row is deleted by `delete`. A page of its own asks first, for no script does."""

    can_delete = True
    delete_template = "console/delete.html"

    def delete(self, row: Row) -> None:
        raise NotImplementedError

    @expose("/delete/", methods=("GET",))
    def confirm_delete(self) -> str:
        return self.render(
            self.delete_template,
            model=self.get_one(request.args.get("id")),
            details_columns=self.get_details_columns(),
            get_value=self.get_detail_value,
        )

    @expose("/delete/", methods=("POST",))
    def delete_view(self) -> ResponseReturnValue:
        row = self.get_one(request.form.get("id"))
        if self.done(lambda: self._delete(row)):
            flash("Deleted.", "success")
        return redirect(self.get_url(".index_view"), 303)

    @retried
    def _delete(self, model: Row) -> None:
        with transaction():
            before = self.held(model)
            self.delete(before)
            change_log.write(
                ChangeAction.DELETE,
                self.table.name,
                self.get_pk_value(model),
                by=administrator().id,
                before=_facts(before),
            )


def _facts(row: Row) -> dict[str, object]:
    return {name: value for name, value in row.items() if "__" not in name}
