"""The shapes of accounts in the voucher contract.

`first_name` is a name inside, `last_name` a surname, `profile_picture` an avatar_url.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import marshmallow as ma
from marshmallow import validate

from ..core import clock
from ..identity import passwords
from ..text.passwords import normalised
from ..vouchers.schemas import VoucherErrorSchema, VoucherInput
from ..web.body import (
    LONGEST_LOGIN,
    LONGEST_PASSWORD,
    LONGEST_TOKEN,
    Credential,
    EmailAddress,
    Moment,
    Text,
)
from ..web.typed import NewPassword, is_plain_name

LONGEST_EMAIL = 254
LONGEST_NAME = 150
LONGEST_PHONE_NUMBER = 32
LONGEST_ADDRESS = 500
# The promo contract's limit: it shows the picture beside comments.
LONGEST_URL = 350
EARLIEST_BIRTH = date(1900, 1, 1)


class _Input(VoucherInput):
    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        words = {"required": "This field is required.", "null": "This field may not be null."}
        field_obj.error_messages = {**field_obj.error_messages, **words}


class _Line(Text):
    """Text that people type into a form, without the spaces around it."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        # The length is that of the text without them.
        typed = value.strip() if isinstance(value, str) else value
        return super()._deserialize(typed, attr, data, **kwargs)


def _not_blank(text: str) -> None:
    if not text:
        raise ma.ValidationError("This field may not be blank.")


class _FilledLine(_Line):
    def __init__(self, longest: int, **kwargs: Any) -> None:
        super().__init__(
            0,
            longest,
            rules=[_not_blank, *kwargs.pop("rules", [])],
            metadata={"minLength": 1, **kwargs.pop("metadata", {})},
            **kwargs,
        )


def _strong(password: str) -> None:
    if found := passwords.weaknesses(password):
        raise ma.ValidationError(found)


class _NewPassword(NewPassword):
    def __init__(self) -> None:
        metadata = {
            "format": "password",
            "minLength": passwords.SHORTEST,
            "maxLength": passwords.LONGEST,
        }
        super().__init__(
            0,
            passwords.LONGEST,
            too_long=passwords.TOO_LONG,
            rules=[_strong],
            required=True,
            metadata=metadata,
        )


def _password() -> Credential:
    return Credential(LONGEST_PASSWORD, load_only=True)


def _token() -> Credential:
    return Credential(LONGEST_TOKEN, load_only=True)


class _Day(ma.fields.Date):
    """A day, written `YYYY-MM-DD` and no other way."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        day = super()._deserialize(value, attr, data, **kwargs)
        if day.isoformat() != value:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return day


def _of_somebody_alive(day: date) -> None:
    if not EARLIEST_BIRTH <= day <= clock.now().date():
        raise ma.ValidationError(f"It must be between {EARLIEST_BIRTH} and today.")


_PHONE_NUMBER = r"^\+?[0-9(](?:[ ()./-]{0,2}[0-9]){4,19}$"
_is_phone_number = validate.Regexp(_PHONE_NUMBER, error="Not a valid phone number.")
_is_url = validate.URL(schemes={"http", "https"}, require_tld=False)


def _phone_number(**kwargs: Any) -> _FilledLine:
    return _FilledLine(LONGEST_PHONE_NUMBER, rules=[_is_phone_number], **kwargs)


def _username(**kwargs: Any) -> _FilledLine:
    # The account's own e-mail may be longer than other usernames; identity/accounts.py checks that.
    return _FilledLine(LONGEST_EMAIL, **kwargs)


class Registration(_Input):
    email = EmailAddress(required=True)
    password = _NewPassword()
    password_confirm = _password()
    first_name = _FilledLine(LONGEST_NAME, rules=[is_plain_name], required=True, attribute="name")
    last_name = _FilledLine(LONGEST_NAME, rules=[is_plain_name], required=True, attribute="surname")
    username = _username()
    phone_number = _phone_number()

    @ma.validates_schema
    def confirmed(self, body: dict[str, object], **_: object) -> None:
        _check_same(body, "password", "password_confirm")

    @ma.post_load
    def with_details(self, body: dict[str, object], **_: object) -> dict[str, object]:
        del body["password_confirm"]
        details = {name: body.pop(name) for name in ("username", "phone_number") if name in body}
        return {**body, "details": details}


def _check_same(body: dict[str, object], password: str, confirmed: str) -> None:
    # The new one is normalised already.
    if body[password] != normalised(str(body[confirmed])):
        raise ma.ValidationError("The passwords do not match.", confirmed)


class Login(_Input):
    """An account without an e-mail address signs in with its username as `email`.

    Lengths are checked when a name or password is set, not when somebody signs in with it.
    """

    email = Credential(LONGEST_LOGIN)
    password = _password()


class RefreshToken(_Input):
    refresh = _token()


class ChangePassword(_Input):
    old_password = _password()
    new_password = _NewPassword()
    confirm_password = _password()

    @ma.validates_schema
    def confirmed(self, body: dict[str, object], **_: object) -> None:
        _check_same(body, "new_password", "confirm_password")


class AskForReset(_Input):
    email = EmailAddress(required=True)


class ConfirmReset(_Input):
    token = _token()
    password = _NewPassword()
    password_confirm = _password()

    @ma.validates_schema
    def confirmed(self, body: dict[str, object], **_: object) -> None:
        _check_same(body, "password", "password_confirm")


class AccountChanges(_Input):
    """Unknown and read-only fields are ignored. null and "" clear what is optional."""

    drops_empty = False

    @ma.pre_load
    def cleared(self, sent: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        return {
            name: None if value == "" and name in self._clearable else value
            for name, value in sent.items()
        }

    @property
    def _clearable(self) -> set[str]:
        return {name for name, field in self.load_fields.items() if field.allow_none}

    class Meta:
        unknown = ma.EXCLUDE

    username = _username()
    first_name = _FilledLine(LONGEST_NAME, rules=[is_plain_name], attribute="name")
    # It may be blank: other contracts know people by one name alone.
    last_name = _Line(0, LONGEST_NAME, rules=[is_plain_name], attribute="surname")
    phone_number = _phone_number(allow_none=True)
    address = _FilledLine(LONGEST_ADDRESS, allow_none=True)
    date_of_birth = _Day(allow_none=True, validate=_of_somebody_alive)
    profile_picture = _FilledLine(
        LONGEST_URL,
        attribute="avatar_url",
        rules=[_is_url],
        metadata={"format": "uri"},
        allow_none=True,
    )


class AccountReplacement(AccountChanges):
    """The names must be there. What is optional and left out stays as it is."""

    first_name = _FilledLine(LONGEST_NAME, rules=[is_plain_name], attribute="name", required=True)
    last_name = _Line(0, LONGEST_NAME, rules=[is_plain_name], attribute="surname", required=True)


_INPUTS = (
    Registration,
    Login,
    RefreshToken,
    ChangePassword,
    AskForReset,
    ConfirmReset,
    AccountChanges,
)

AccountErrorSchema = VoucherErrorSchema.from_dict(
    {
        name: ma.fields.List(ma.fields.String())
        for name in ("body", *(name for given in _INPUTS for name in given._declared_fields))
    },
    name="AccountErrorSchema",
)
"""What is wrong with an account: a sentence, or messages for each field of these inputs."""


class AccountSchema(ma.Schema):
    id = ma.fields.UUID(required=True, attribute="account.id")
    email = ma.fields.String(required=True, allow_none=True, attribute="account.email")
    username = ma.fields.String(required=True, attribute="account.username")
    first_name = ma.fields.String(required=True, attribute="account.name")
    last_name = ma.fields.String(required=True, attribute="account.surname")
    full_name = ma.fields.String(required=True)
    phone_number = ma.fields.String(
        required=True, allow_none=True, attribute="account.phone_number"
    )
    address = ma.fields.String(required=True, allow_none=True, attribute="account.address")
    date_of_birth = ma.fields.Date(
        required=True, allow_none=True, attribute="account.date_of_birth"
    )
    profile_picture = ma.fields.String(
        required=True, allow_none=True, attribute="account.avatar_url"
    )
    credit = ma.fields.Integer(required=True)
    is_active = ma.fields.Boolean(required=True, attribute="account.is_active")
    is_staff = ma.fields.Boolean(required=True)
    is_superuser = ma.fields.Boolean(required=True)
    date_joined = Moment(required=True, attribute="account.created_at")


class TokenPairSchema(ma.Schema):
    access = ma.fields.String(required=True)
    refresh = ma.fields.String(required=True)


class DoneMessageSchema(ma.Schema):
    message = ma.fields.String(required=True)


class SignedInSchema(TokenPairSchema):
    user = ma.fields.Nested(AccountSchema(), required=True)
    message = ma.fields.String(required=True)
