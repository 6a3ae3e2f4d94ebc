"""Which bodies of signing in and up and of profiles are refused, and which field is named."""

from datetime import timedelta

import pytest

from coupon_management_flask.auth import credit_schemas, voucher_schemas
from coupon_management_flask.core import clock

from ..support.faults import faults
from .conftest import ALICE, NOT_TEXT, PASSWORD, WEAK

REGISTRATION, LOGIN = voucher_schemas.Registration(), voucher_schemas.Login()
CREDIT_LOGIN = credit_schemas.CreditLogin()
REFRESH, ASK, CONFIRM = (
    voucher_schemas.RefreshToken(),
    voucher_schemas.AskForReset(),
    voucher_schemas.ConfirmReset(),
)
CHANGE_PASSWORD = voucher_schemas.ChangePassword()
REPLACEMENT, CHANGES = voucher_schemas.AccountReplacement(), voucher_schemas.AccountChanges()

NEW_PASSWORD = "battery staple 2"
CHANGE = {
    "old_password": PASSWORD,
    "new_password": NEW_PASSWORD,
    "confirm_password": NEW_PASSWORD,
}
CONFIRMED = {"token": "t", "password": NEW_PASSWORD, "password_confirm": NEW_PASSWORD}
NAMES = {"first_name": "Alice", "last_name": "Alpha"}

RIGHT_BODIES = [
    (REGISTRATION, ALICE),
    (LOGIN, {"email": ALICE["email"], "password": PASSWORD}),
    (CREDIT_LOGIN, {"username": "alice", "password": PASSWORD}),
    (REFRESH, {"refresh": "t"}),
    (ASK, {"email": ALICE["email"]}),
    (CONFIRM, CONFIRMED),
    (CHANGE_PASSWORD, CHANGE),
    (REPLACEMENT, NAMES),
]
NAMED = [type(schema).__name__ for schema, _ in RIGHT_BODIES]

WRONG_REGISTRATIONS = {
    "email": [
        "",
        "alice",
        "alice@",
        "@example.com",
        "a@b@c",
        "a b@example.com",
        f"{'x' * 250}@example.com",
    ],
    "first_name": ["", "  ", "x" * 151, "a\0b"],
    "last_name": ["", "  ", "x" * 151, "a\0b"],
    "username": [" ", "x" * 255, "a\0b"],
    "phone_number": ["12", "call me", "+1 555 123 45 67 ext. 8", "1" * 33, "٠٢٤٤١٢٣٤٥٦"],
}
WRONG_PROFILES = {
    "username": ["", " ", "x" * 255, "a\0b"],
    "first_name": ["", " ", "x" * 151, "a\0b"],
    "last_name": ["x" * 151, "a\0b"],
    "phone_number": ["12", "call me", "1" * 33],
    "address": [" ", "x" * 501, "a\0b"],
    "date_of_birth": [
        "soon",
        "1899-12-31",
        "1990-02-29",
        "1990-2-1",
        "19900201",
        "1990-02-01T00:00:00Z",
    ],
    "profile_picture": [
        "alice.png",
        "ftp://example.com/a.png",
        "javascript:alert(1)",
        f"https://example.com/{'x' * 350}",
    ],
}


@pytest.mark.parametrize(("schema", "body"), RIGHT_BODIES, ids=NAMED)
def test_a_right_body_has_no_faults_and_each_field_is_needed(schema, body):
    assert faults(schema, body) == set()
    for field in body:
        without = {name: value for name, value in body.items() if name != field}
        assert faults(schema, without) == {field}


@pytest.mark.parametrize(("schema", "body"), RIGHT_BODIES, ids=NAMED)
def test_what_is_no_text_or_holds_a_null_character_is_refused(schema, body):
    for field in body:
        for value in [*NOT_TEXT, "a\0b"]:
            assert faults(schema, {**body, field: value}) == {field}


@pytest.mark.parametrize(("schema", "body"), RIGHT_BODIES[:-1], ids=NAMED[:-1])
def test_an_unknown_field_is_refused(schema, body):
    assert faults(schema, {**body, "remember": True}) == {"remember"}


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in WRONG_REGISTRATIONS.items() for value in values],
)
def test_a_field_of_a_registration_beyond_its_bounds_is_refused(field, value):
    assert faults(REGISTRATION, {**ALICE, field: value}) == {field}


def test_an_empty_text_is_none_at_the_registration_and_clears_in_a_profile():
    empty = {"username": "", "phone_number": ""}
    assert REGISTRATION.load({**ALICE, **empty}) == REGISTRATION.load(ALICE)

    optional = ("phone_number", "address", "date_of_birth", "profile_picture")
    cleared = CHANGES.load(dict.fromkeys(optional, ""))
    assert cleared == CHANGES.load(dict.fromkeys(optional, None))
    assert set(cleared.values()) == {None}


@pytest.mark.parametrize("email", WRONG_REGISTRATIONS["email"])
def test_a_link_is_asked_for_with_an_address(email):
    assert faults(ASK, {"email": email}) == {"email"}


@pytest.mark.parametrize("field", ["username", "phone_number"])
@pytest.mark.parametrize("value", NOT_TEXT)
def test_an_optional_field_of_a_registration_is_text(field, value):
    assert faults(REGISTRATION, {**ALICE, field: value}) == {field}


@pytest.mark.parametrize("password", WEAK)
def test_a_weak_password_is_refused_wherever_one_is_set(password):
    given = {"password": password, "password_confirm": password}
    assert faults(REGISTRATION, {**ALICE, **given}) == {"password"}
    assert faults(CONFIRM, {**CONFIRMED, **given}) == {"password"}
    assert faults(
        CHANGE_PASSWORD, {**CHANGE, "new_password": password, "confirm_password": password}
    ) == {"new_password"}


@pytest.mark.parametrize("other", ["", NEW_PASSWORD.upper(), f"{NEW_PASSWORD} "])
def test_a_password_that_is_confirmed_otherwise_is_refused_wherever_one_is_set(other):
    assert faults(REGISTRATION, {**ALICE, "password_confirm": other}) == {"password_confirm"}
    assert faults(CONFIRM, {**CONFIRMED, "password_confirm": other}) == {"password_confirm"}
    assert faults(CHANGE_PASSWORD, {**CHANGE, "confirm_password": other}) == {"confirm_password"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field, values in WRONG_PROFILES.items()
        # None is text for some: it clears what is optional.
        for value in [*values, *NOT_TEXT[1:]]
    ],
)
def test_a_field_of_a_profile_beyond_its_bounds_or_of_another_type_is_refused(field, value):
    assert faults(CHANGES, {field: value}) == {field}
    assert faults(REPLACEMENT, {**NAMES, field: value}) == {field}


def test_nobody_is_born_tomorrow_but_somebody_may_be_today():
    today = clock.now().date()

    assert faults(CHANGES, {"date_of_birth": (today + timedelta(days=1)).isoformat()}) == {
        "date_of_birth"
    }
    assert faults(CHANGES, {"date_of_birth": today.isoformat()}) == set()


@pytest.mark.parametrize("field", ["username", "first_name", "last_name"])
def test_null_clears_no_name(field):
    assert faults(CHANGES, {field: None}) == {field}


@pytest.mark.parametrize("field", ["phone_number", "address", "date_of_birth", "profile_picture"])
def test_null_clears_what_is_optional(field):
    assert faults(CHANGES, {field: None}) == set()
