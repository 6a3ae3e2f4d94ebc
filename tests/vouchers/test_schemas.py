"""Which bodies and queries of the voucher routes are refused, and which field is named."""

import pytest

from coupon_management_flask.vouchers import schemas
from coupon_management_flask.web.pagination import LinkedPageQuery

from ..support.envelope import each
from ..support.faults import faults
from ..support.vouchers import NOBODYS

NEW_TYPE, TYPE_CHANGES = schemas.NewVoucherType(), schemas.VoucherTypeChanges()
USE, VOUCHERS, PAGE = schemas.VoucherUse(), schemas.VouchersQuery(), LinkedPageQuery()

TYPE = {"name": "Exam", "price": 10, "service_type": "exam_results"}
REDEEMED = {"code": "ABC", "service_type": "exam_results"}


def nested(depth):
    """Return so many lists, one in the other."""
    found: list = []
    for _ in range(depth):
        found = [found]
    return found


def test_what_the_wrong_bodies_are_made_of_is_right():
    assert faults(NEW_TYPE, TYPE) == faults(TYPE_CHANGES, TYPE) == faults(USE, REDEEMED) == set()


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        name=["x" * 201, 5, None],
        description=[5, None, "x" * 2001],
        price=[-1, "1,5", True, None, 10**13, 0.00001, "NaN"],
        currency=["usd", "XYZ", 5],
        service_type=["x" * 65],
        is_active=["true", 1],
        validity_days=[0, 36_501, 1.0, "1"],
        max_uses=[0, 1_000_001],
        id=[NOBODYS],
        created_at=["2026-01-01T00:00:00Z"],
    ),
)
def test_a_field_of_a_type_that_is_wrong_or_unknown_is_refused(field, value):
    assert faults(NEW_TYPE, {**TYPE, field: value}) == {field}
    assert faults(TYPE_CHANGES, {field: value}) == {field}


def test_an_empty_text_in_an_optional_field_is_none_but_for_a_description():
    assert NEW_TYPE.load({**TYPE, "currency": ""}) == NEW_TYPE.load(
        {name: value for name, value in TYPE.items() if name != "currency"}
    )
    assert TYPE_CHANGES.load({"name": "", "description": ""}) == {"description": ""}
    assert faults(NEW_TYPE, {**TYPE, "name": "", "service_type": ""}) == {"name", "service_type"}
    for name in ("details", "service_data"):
        least = {"code": "A", "service_type": "x"}
        assert USE.load({**least, name: ""}) == least


def test_a_new_type_needs_a_name_a_price_and_a_service_type():
    assert faults(NEW_TYPE, {}) == {"name", "price", "service_type"}
    assert faults(TYPE_CHANGES, {}) == set()


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        code=["", None, 5, "x" * 65],
        service_type=["", None, 5, "x" * 65],
        details=[5, True, [1], None, "x" * 10_001, {"a": "x" * 10_001}, {"a": nested(251)}],
        quantity=[1],
    ),
)
def test_a_field_of_a_use_that_is_wrong_or_unknown_is_refused(field, value):
    assert faults(USE, {**REDEEMED, field: value}) == {field}


def test_a_use_needs_a_code_and_a_service_type():
    assert faults(USE, {}) == {"code", "service_type"}


@pytest.mark.parametrize("schema", [PAGE, VOUCHERS], ids=["page", "vouchers"])
@pytest.mark.parametrize(
    ("field", "value"), each(page=["0", "x"], page_size=["0", "101"], owner=["x"])
)
def test_a_page_out_of_bounds_is_refused(schema, field, value):
    assert faults(schema, {field: value}) == {field}


@pytest.mark.parametrize("value", ["Active", ""])
def test_an_unknown_status_is_refused(value):
    assert faults(VOUCHERS, {"status": value}) == {"status"}
