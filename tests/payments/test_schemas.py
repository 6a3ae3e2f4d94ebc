"""Which bodies of the routes that sell and refund are refused, and which field is named."""

import pytest

from coupon_management_flask.payments import schemas

from ..support.envelope import each
from ..support.faults import faults
from ..support.vouchers import NOBODYS

PURCHASE, PAYMENT = schemas.VoucherPurchase(), schemas.NewPayment()
CONFIRMATION, REFUND = schemas.Confirmation(), schemas.Refund()

EXAM = {"voucher_type_id": NOBODYS}


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (PURCHASE, EXAM),
        (PAYMENT, EXAM),
        (PAYMENT, {"credit_amount": 100}),
        (CONFIRMATION, {"payment_intent_id": "pi_1"}),
        (REFUND, {"transaction_id": NOBODYS, "reason": "x"}),
    ],
    ids=["purchase", "vouchers by card", "top-up", "confirmation", "refund"],
)
def test_what_the_wrong_bodies_are_made_of_is_right(schema, body):
    assert faults(schema, body) == set()


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        voucher_type_id=["x", 5, None, "{" + NOBODYS + "}", "urn:uuid:" + NOBODYS],
        quantity=[0, 11, -1, "1", 1.0, True, None],
        discount_code=[None, 5, "x" * 65],
        price=[1],
    ),
)
def test_a_field_of_a_purchase_that_is_wrong_or_unknown_is_refused(field, value):
    assert faults(PURCHASE, {**EXAM, field: value}) == {field}


def test_an_empty_text_in_an_optional_field_is_none():
    for schema in (PURCHASE, PAYMENT):
        empty = {"quantity": "", "discount_code": ""}
        assert schema.load({**EXAM, **empty}) == schema.load(EXAM)
    forms = {"credit_amount": "", "currency": "", "payment_method": ""}
    assert PAYMENT.load({**EXAM, **forms}) == PAYMENT.load(EXAM)


def test_a_purchase_needs_a_type():
    assert faults(PURCHASE, {}) == {"voucher_type_id"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"voucher_type_id"}),
        ({"voucher_type_id": "x"}, {"voucher_type_id"}),
        ({"voucher_type_id": None}, {"voucher_type_id"}),
        ({**EXAM, "quantity": 0}, {"quantity"}),
        ({**EXAM, "quantity": 11}, {"quantity"}),
        ({**EXAM, "quantity": "2"}, {"quantity"}),
        ({**EXAM, "voucher_type_id": ""}, {"voucher_type_id"}),
        ({**EXAM, "transaction_id": ""}, {"transaction_id"}),
        ({**EXAM, "amount": 1}, {"amount"}),
        ({**EXAM, "credit_amount": 100}, {"voucher_type_id"}),
        ({"credit_amount": 0}, {"credit_amount"}),
        ({"credit_amount": 1.5}, {"credit_amount"}),
        ({"credit_amount": True}, {"credit_amount"}),
        (
            {"credit_amount": 100, "quantity": 1, "discount_code": "X"},
            {"quantity", "discount_code"},
        ),
    ],
)
def test_a_payment_is_for_vouchers_or_for_credit(body, fields):
    assert faults(PAYMENT, body) == fields


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"transaction_id", "reason"}),
        ({"transaction_id": "x", "reason": ""}, {"transaction_id", "reason"}),
        ({"transaction_id": NOBODYS, "reason": "x", "amount": 1}, {"amount"}),
    ],
)
def test_a_refund_has_a_transaction_and_a_reason(body, fields):
    assert faults(REFUND, body) == fields


@pytest.mark.parametrize("body", [{}, {"payment_intent_id": ""}, {"payment_intent_id": "x" * 256}])
def test_a_confirmation_has_an_intent(body):
    assert faults(CONFIRMATION, body) == {"payment_intent_id"}
