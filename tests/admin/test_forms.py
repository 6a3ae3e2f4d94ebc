"""What is typed into a form goes through the API's schema, which names what is wrong."""

from typing import Any

import marshmallow as ma
import pytest

from coupon_management_flask.admin.editing import use_cases
from coupon_management_flask.admin.editing.forms import as_text, typed

ACCOUNT, CREDIT_COUPON = use_cases.Accounts.schema, use_cases.CreditCoupons.schema


def wrong(schema: ma.Schema, texts: dict[str, str]) -> set[str]:
    """Return the fields that the schema refuses."""
    sent = {
        str(schema.fields[name].data_key or name): typed(schema.fields[name], text)
        for name, text in texts.items()
    }
    return set(schema.validate(sent))


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        (ACCOUNT, {"name": ""}),
        (ACCOUNT, {"name": "x" * 101}),
        (ACCOUNT, {"surname": "x" * 121}),
        (ACCOUNT, {"name": "a\x00b"}),
        (ACCOUNT, {"role": "king"}),
        (CREDIT_COUPON, {"value": "-1"}),
        (CREDIT_COUPON, {"value": "1.5"}),
        (CREDIT_COUPON, {"value": "x"}),
        (CREDIT_COUPON, {"value": ""}),
        (CREDIT_COUPON, {"value": "9" * 30}),
        (CREDIT_COUPON, {"number_left": "-1"}),
        (CREDIT_COUPON, {"expiration_date": "soon"}),
        (CREDIT_COUPON, {"name": ""}),
    ],
    ids=str,
)
def test_what_the_api_refuses_a_form_refuses(schema: ma.Schema, texts: dict[str, str]):
    assert wrong(schema, texts) == set(texts)


@pytest.mark.parametrize(
    ("schema", "name", "text", "value"),
    [
        (CREDIT_COUPON, "value", "12", 12),
        (CREDIT_COUPON, "value", "-1", -1),
        (CREDIT_COUPON, "expiration_date", "2030-01-02T03:04", "2030-01-02T03:04:00Z"),
        (ACCOUNT, "is_active", "true", True),
        (ACCOUNT, "is_active", "", False),
        (use_cases.DiscountCoupons.schema, "expires_at", "", None),
    ],
)
def test_a_text_becomes_what_a_client_would_send(
    schema: ma.Schema, name: str, text: str, value: Any
):
    assert typed(schema.fields[name], text) == value


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "true"), (False, ""), (["a", "b"], "a\nb"), (7, "7")]
)
def test_a_value_stands_in_a_form_as_a_browser_sends_it(value: Any, text: str):
    assert as_text(value) == text
