"""Which bodies and queries of the credit-coupon contract are refused, and which field is named."""

from urllib.parse import parse_qsl

import pytest

from coupon_management_flask.credit_coupons import schemas

from ..support.envelope import (
    NOT_A_MOMENT,
    NOT_TEXT,
    NOT_TRUTH,
    NOT_WHOLE,
    WRONG_PAGES,
    each,
)
from ..support.faults import faults
from ..support.people import PASSWORD
from .test_change import CHANGES
from .test_create import BODY as COUPON
from .test_credit import BODY as CREDIT_CHANGE
from .test_users import BODY as USER

NEW_COUPON, COUPON_CHANGES = schemas.NewCoupon(), schemas.CouponChanges()
NEW_USER, CREDIT = schemas.NewUser(), schemas.CreditChange()
PAGE, COUPONS, HIDDEN_CODE = schemas.PageQuery(), schemas.CouponsQuery(), schemas.HiddenCode()

AN_ID = "019f0000-0000-7000-8000-000000000000"


def without(body, field):
    return {name: value for name, value in body.items() if name != field}


@pytest.mark.parametrize(
    ("schema", "body"),
    [(NEW_COUPON, COUPON), (COUPON_CHANGES, CHANGES), (NEW_USER, USER), (CREDIT, CREDIT_CHANGE)],
    ids=["new coupon", "change of a coupon", "new user", "change of credit"],
)
def test_what_the_wrong_bodies_are_made_of_is_right(schema, body):
    assert faults(schema, body) == set()


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        name=[*NOT_TEXT, "", "x" * 201, "on\0e"],
        value=[*NOT_WHOLE, -1, 1_000_000_001, 2**63],
        hidden_code=[
            *NOT_TEXT,
            "",
            "x" * 65,
            "Spring\0",
            "Spring/7",
            "/",
            "Spring\n7",
            "mine",
            "MINE",
            ".",
            "..",
        ],
        number_left=[*NOT_WHOLE, -1, 1_000_000_001, 2**63],
        expiration_date=NOT_A_MOMENT,
        active=NOT_TRUTH,
        id=[AN_ID],
        color=["red"],
    ),
)
def test_a_field_of_a_coupon_that_is_wrong_or_unknown_is_refused(field, value):
    assert faults(NEW_COUPON, {**COUPON, field: value}) == {field}
    assert faults(COUPON_CHANGES, {**CHANGES, field: value}) == {field}


@pytest.mark.parametrize("field", ["name", "value", "number_left", "expiration_date"])
def test_a_missing_field_of_a_new_coupon_is_refused(field):
    assert faults(NEW_COUPON, without(COUPON, field)) == {field}


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        username=[*NOT_TEXT, "", "x" * 151, "car\0ol"],
        password=[*NOT_TEXT, "", "x" * 7, "x" * 129, f"{PASSWORD}\0"],
        name=[*NOT_TEXT, "", "x" * 101, "Car\0ol"],
        email=[
            *NOT_TEXT,
            "",
            "carol",
            "carol@",
            "@example.com",
            "carol@example",
            "a b@example.com",
            f"{'x' * 250}@example.com",
        ],
        credit=[*NOT_WHOLE, -1, 1_000_000_001, 2**63],
        role=["administrator"],
        id=[AN_ID],
    ),
)
def test_a_field_of_a_new_user_that_is_wrong_or_unknown_is_refused(field, value):
    assert faults(NEW_USER, {**USER, field: value}) == {field}


@pytest.mark.parametrize("field", ["username", "password", "name"])
def test_a_missing_field_of_a_new_user_is_refused(field):
    assert faults(NEW_USER, without(USER, field)) == {field}


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        amount=[*NOT_WHOLE, 0, 1_000_000_001, -1_000_000_001, 2**63],
        reason=[*NOT_TEXT, "", "x" * 201, "gi\0ft"],
        reference=[AN_ID],
    ),
)
def test_a_field_of_a_change_of_credit_that_is_wrong_or_unknown_is_refused(field, value):
    assert faults(CREDIT, {**CREDIT_CHANGE, field: value}) == {field}


@pytest.mark.parametrize("field", CREDIT_CHANGE)
def test_a_missing_field_of_a_change_of_credit_is_refused(field):
    assert faults(CREDIT, without(CREDIT_CHANGE, field)) == {field}


@pytest.mark.parametrize("value", [*NOT_TEXT, "", "x" * 65, "Spring\0"])
def test_a_hidden_code_of_the_wrong_shape_is_refused(value):
    assert faults(HIDDEN_CODE, {"hidden_code": value}) == {"hidden_code"}


@pytest.mark.parametrize("schema", [PAGE, COUPONS], ids=["page", "coupons"])
@pytest.mark.parametrize("query", WRONG_PAGES)
def test_a_page_out_of_bounds_is_refused(schema, query):
    given = dict(parse_qsl(query, keep_blank_values=True))

    assert faults(schema, given) == set(given)


@pytest.mark.parametrize("value", ["", "1", "True", "yes"])
def test_all_is_true_or_false(value):
    assert faults(COUPONS, {"all": value}) == {"all"}
