"""The shapes of signing up and in, and of a user's profile, in the promo contract."""

import re
from typing import Any

import marshmallow as ma

from ..promos.schemas import Country, Input, Output, Url
from ..web.body import LONGEST_LOGIN, LONGEST_PASSWORD, Credential, EmailAddress, Text, Whole
from ..web.typed import Name


def _strong(password: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9@$!%*?&]*", password) or not all(
        re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[@$!%*?&]")
    ):
        raise ma.ValidationError(
            "Letters of both cases, a digit and one of @$!%*?& are needed, "
            "and nothing else is allowed."
        )


class Password(Text):
    def __init__(self, **kwargs: Any) -> None:
        pattern = r"^(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?=.*[@$!%*?&])[A-Za-z0-9@$!%*?&]*$"
        super().__init__(
            8,
            60,
            rules=[_strong],
            load_only=True,
            metadata={"format": "password", "pattern": pattern},
            **kwargs,
        )


class CompanySignUp(Input):
    name = Name(5, 50, required=True)
    email = EmailAddress(8, 120, required=True)
    password = Password(required=True)


class SignIn(Input):
    """Lengths are checked when they are set, not when somebody signs in."""

    email = Credential(LONGEST_LOGIN)
    password = Credential(LONGEST_PASSWORD, load_only=True)


class CompanyTokenSchema(ma.Schema):
    token = ma.fields.String(required=True)
    company_id = ma.fields.UUID(required=True)


class TokenSchema(ma.Schema):
    token = ma.fields.String(required=True)


class OtherSchema(Input):
    """What targeting goes by."""

    age = Whole(0, 100, required=True)
    country = Country(required=True)


class UserSignUp(Input):
    name = Name(1, 100, required=True)
    surname = Name(1, 120, required=True)
    email = EmailAddress(8, 120, required=True)
    avatar_url = Url()
    other = ma.fields.Nested(OtherSchema(), required=True)
    password = Password(required=True)

    @ma.post_load
    def with_details(self, user: dict[str, object], **_: object) -> dict[str, object]:
        return _apart(user, ("avatar_url",), "details")


class ProfileChanges(Input):
    """A field that is absent or null stays as it is."""

    name = Name(1, 100, allow_none=True)
    surname = Name(1, 120, allow_none=True)
    avatar_url = Url(allow_none=True)
    other = ma.fields.Nested(OtherSchema(), allow_none=True)
    password = Password(allow_none=True)

    @ma.post_load
    def only_values(self, changes: dict[str, object], **_: object) -> dict[str, object]:
        given = {name: value for name, value in changes.items() if value is not None}
        password = given.pop("password", None)
        columns = _apart(given, ("name", "surname", "avatar_url"), "changes")
        return {**columns, "password": password}


def _apart(body: dict[str, object], names: tuple[str, ...], group: str) -> dict[str, object]:
    """Put these fields and those of `other` into one group, and leave the rest."""
    other = body.pop("other", {})
    assert isinstance(other, dict)
    grouped = {name: body.pop(name) for name in names if name in body}
    return {**body, group: grouped | other}


class ProfileOtherSchema(Output):
    age = ma.fields.Integer()
    country = ma.fields.String()


class ProfileSchema(Output):
    name = ma.fields.String(required=True)
    surname = ma.fields.String(required=True)
    email = ma.fields.String(required=True)
    avatar_url = ma.fields.String()
    other = ma.fields.Nested(ProfileOtherSchema())
