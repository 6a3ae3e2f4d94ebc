"""What the e-mail contract says of a wrong pair or filter: clients may show it as it stands."""

import pytest

from coupon_management_flask.email_coupons import schemas

from ..support.envelope import each
from ..support.faults import faults

PAIR, COUPONS = schemas.PairSchema(), schemas.EmailCouponsQuery()

GOOD = {"email": "user@example.com", "website": "example.com"}

BLANK, REQUIRED, NULL, NO_TEXT = (
    "This field may not be blank.",
    "This field is required.",
    "This field may not be null.",
    "Not a valid string.",
)
EMAIL, WEBSITE = "Enter a valid email address.", "Enter a valid website."


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"email": "user"}, {"email": [EMAIL]}),
        ({"email": "user@"}, {"email": [EMAIL]}),
        ({"email": "user@localhost"}, {"email": [EMAIL]}),
        ({"email": "user@@example.com"}, {"email": [EMAIL]}),
        ({"email": "us er@example.com"}, {"email": [EMAIL]}),
        ({"email": "user@example.com\nBcc: other@example.com"}, {"email": [EMAIL]}),
        ({"email": "user@example.com, other@example.com"}, {"email": [EMAIL]}),
        ({"email": "User <user@example.com>"}, {"email": [EMAIL]}),
        ({"email": "user\x00@example.com"}, {"email": [EMAIL]}),
        ({"email": ""}, {"email": [BLANK]}),
        ({"email": " \t"}, {"email": [BLANK]}),
        ({"email": None}, {"email": [NULL]}),
        ({"email": 5}, {"email": [NO_TEXT]}),
        ({"email": True}, {"email": [NO_TEXT]}),
        ({"email": ["user@example.com"]}, {"email": [NO_TEXT]}),
        ({"website": "example"}, {"website": [WEBSITE]}),
        ({"website": "exa mple.com"}, {"website": [WEBSITE]}),
        ({"website": "http://"}, {"website": [WEBSITE]}),
        ({"website": "http://["}, {"website": [WEBSITE]}),
        ({"website": "example.com\r\nX: y"}, {"website": [WEBSITE]}),
        ({"website": "<script>.com"}, {"website": [WEBSITE]}),
        ({"website": "exam\x00ple.com"}, {"website": [WEBSITE]}),
        ({"website": ""}, {"website": [BLANK]}),
        ({"website": None}, {"website": [NULL]}),
        ({"website": {}}, {"website": [NO_TEXT]}),
        ({"email": None, "website": "x"}, {"email": [NULL], "website": [WEBSITE]}),
        ({"name": "User"}, {"name": ["Unknown field."]}),
        ({"code": "ABC23456"}, {"code": ["Unknown field."]}),
    ],
)
def test_a_wrong_pair_is_told_by_field(changes, messages):
    assert PAIR.validate(GOOD) == {}
    assert PAIR.validate({**GOOD, **changes}) == messages


def test_both_of_a_pair_are_required():
    assert PAIR.validate({}) == {"email": [REQUIRED], "website": [REQUIRED]}


def test_lengths_are_counted_as_typed():
    host = f"{'a' * 62}.{'b' * 62}.{'c' * 60}.de"
    email = f"{'u' * 64}@{host[: 254 - 65]}"
    website = f"https://example.com/{'x' * (253 - 20)}"
    assert (len(email), len(website)) == (254, 253)
    too_long = "Ensure this field has no more than {} characters."

    assert PAIR.validate({"email": email, "website": website}) == {}
    assert PAIR.validate({**GOOD, "email": f"u{email}"}) == {"email": [too_long.format(254)]}
    assert PAIR.validate({**GOOD, "website": f"{website}x"}) == {"website": [too_long.format(253)]}


@pytest.mark.parametrize(
    ("field", "value"), each(page=["0", "x", ""], page_size=["0", "101"], token=["x"])
)
def test_a_page_out_of_bounds_is_refused(field, value):
    assert faults(COUPONS, {field: value}) == {field}


def test_a_wrong_filter_is_told_by_field():
    assert COUPONS.validate({"email": "user"}) == {"email": [EMAIL]}
    assert COUPONS.validate({"website": "example"}) == {"website": [WEBSITE]}
    assert COUPONS.validate({"email": "", "website": ""}) == {}
