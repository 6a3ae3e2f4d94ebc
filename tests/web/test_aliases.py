"""Other names of calls and fields: they are what they stand for."""

import re

import marshmallow as ma
import pytest

from coupon_management_flask import create_app
from coupon_management_flask.web.aliases import Renaming, other_name, shown_too
from coupon_management_flask.web.body import Text, Whole
from coupon_management_flask.web.operations import notes_of

from ..conftest import settings_for


class Order(Renaming):
    size = Whole(1, 5, required=True)
    quantity = other_name("size", size)
    note = Text()
    remark = other_name("note", note)


class Shown(ma.Schema):
    size = ma.fields.Integer()
    quantity = shown_too("size", size)


def test_a_field_may_come_by_either_name_or_by_both_with_one_value():
    for sent in ({"size": 3}, {"quantity": 3}, {"size": 3, "quantity": 3}):
        assert Order().load(sent) == {"size": 3}
    assert Order().load({"quantity": 1, "remark": "tea"}) == {"size": 1, "note": "tea"}


@pytest.mark.parametrize("other", [4, 3.0, True, "3", None, [[3]]])
def test_two_names_with_different_values_are_refused_under_the_other_name(other):
    with pytest.raises(ma.ValidationError) as refused:
        Order().load({"size": 3, "quantity": other})

    assert refused.value.messages == {"quantity": ["It is not what `size` says."]}


def test_true_is_not_one():
    with pytest.raises(ma.ValidationError, match="not what `size` says"):
        Order().load({"size": 1, "quantity": True})


def test_what_is_wrong_is_told_under_the_name_that_was_sent():
    for sent in ("size", "quantity"):
        with pytest.raises(ma.ValidationError) as refused:
            Order().load({sent: 6, "unknown": 1})
        assert set(refused.value.messages) == {sent, "unknown"}
    with pytest.raises(ma.ValidationError) as refused:
        Order().load({})
    assert set(refused.value.messages) == {"size"}


def test_what_can_not_be_written_is_refused_and_not_compared():
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]

    with pytest.raises(ma.ValidationError):
        Order().load({"size": deep, "quantity": deep})


def test_an_answer_shows_a_value_under_both_names():
    assert Shown().dump({"size": 3}) == {"size": 3, "quantity": 3}


# --- Calls


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    return create_app(settings_for(f"sqlite:///{tmp_path_factory.mktemp('aliases')}/none.db"))


def test_every_other_name_of_a_call_is_described_as_one(application):
    paths = application.test_client().get("/openapi.json").json["paths"]
    aliases = [
        (rule, original)
        for rule in application.url_map.iter_rules()
        if (original := notes_of(application.view_functions[rule.endpoint]).original)
    ]
    assert len(aliases) >= 16

    names = []
    for rule, original in aliases:
        path, stands_for = (re.sub(r"<(\w+)>", r"{\1}", text) for text in (rule.rule, original))
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            described = paths[path][method.lower()]
            names.append(described["operationId"])
            assert described["deprecated"] is True
            assert f"`{stands_for}`" in described["description"]
            # Where it stands for is a call by itself, and answers alike.
            own = paths[stands_for]
            assert not any(one.get("deprecated") for one in own.values() if isinstance(one, dict))
    assert len(set(names)) == len(names)


def test_other_names_of_fields_are_marked(application):
    schemas = application.test_client().get("/openapi.json").json["components"]["schemas"]
    marked = {
        (schema, name)
        for schema, described in schemas.items()
        for name, field in described.get("properties", {}).items()
        if field.get("deprecated")
    }

    assert {
        ("VoucherUse", "service_data"),
        ("Refund", "payment_id"),
        ("RefundRequest", "transaction_id"),
        ("Voucher", "issued_at"),
        ("Voucher", "expires_at"),
        ("Voucher", "is_valid"),
        ("VoucherType", "type_code"),
        ("VoucherType", "usage_limit"),
        ("VoucherUsage", "service_data"),
        ("Intent", "payment_id"),
    } <= marked
