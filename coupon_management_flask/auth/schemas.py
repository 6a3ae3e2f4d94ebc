"""The shapes of signing in."""

import marshmallow as ma

from ..web.body import Text


class CreditLogin(ma.Schema):
    """Lengths are checked when a name or password is set, not when somebody signs in with it."""

    username = Text(0, required=True)
    password = Text(0, required=True, load_only=True)


class CreditLoginUserSchema(ma.Schema):
    id = ma.fields.UUID()
    username = ma.fields.String()
    name = ma.fields.String()
    credit = ma.fields.Integer()


class TokensSchema(ma.Schema):
    access_token = ma.fields.String()
    refresh_token = ma.fields.String()


class CreditLoginAnswer(TokensSchema):
    user = ma.fields.Nested(CreditLoginUserSchema())
