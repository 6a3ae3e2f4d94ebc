"""The shapes of signing in by the credit contract."""

import marshmallow as ma

from ..web.body import LONGEST_LOGIN, LONGEST_PASSWORD, BoundedSchema, Credential


class CreditLogin(BoundedSchema):
    """Lengths are checked when a name or password is set, not when somebody signs in with it."""

    username = Credential(LONGEST_LOGIN)
    password = Credential(LONGEST_PASSWORD, load_only=True)


class CreditLoginUserSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    username = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    credit = ma.fields.Integer(required=True)


class TokensSchema(ma.Schema):
    access_token = ma.fields.String(required=True, attribute="access")
    refresh_token = ma.fields.String(required=True, attribute="refresh")


class CreditLoginAnswer(TokensSchema):
    user = ma.fields.Nested(CreditLoginUserSchema(), required=True)
