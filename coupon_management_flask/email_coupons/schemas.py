"""What the e-mail contract takes and answers."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from ..text import invisible, mailboxes
from ..text.hosts import website_host
from ..web.body import BoundedSchema, Moment
from ..web.pagination import LinkedPageQuery, LinkedPageSchema


class _Typed(ma.fields.String):
    """Text as a visitor typed it, brought into one form for all ways of typing the same.

    A popup may show the messages as they stand.
    """

    longest: int
    default_error_messages = {
        "required": "This field is required.",
        "null": "This field may not be null.",
        "blank": "This field may not be blank.",
        "too_long": "Ensure this field has no more than {longest} characters.",
    }

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        typed = super()._deserialize(value, attr, data, **kwargs)
        if len(typed) > self.longest:
            raise self.make_error("too_long", longest=self.longest)
        if not invisible.trimmed(typed):
            raise self.make_error("blank")
        try:
            return self.in_one_form(typed)
        except ValueError as error:
            raise self.make_error("wrong") from error

    def in_one_form(self, typed: str) -> str:
        """Return the one form of what was typed.

        Raises: ValueError where it has none.
        """
        raise NotImplementedError


class EmailField(_Typed):
    """An address as mail servers take it. The use cases compare it in a form of their own."""

    longest = mailboxes.LONGEST
    default_error_messages = {"wrong": "Enter a valid email address."}

    def in_one_form(self, typed: str) -> str:
        return mailboxes.deliverable(mailboxes.checked(typed))


class WebsiteField(_Typed):
    longest = 253
    default_error_messages = {"wrong": "Enter a valid website."}

    def in_one_form(self, typed: str) -> str:
        return website_host(typed)


class PairSchema(BoundedSchema):
    email = EmailField(
        required=True, metadata={"format": "email", "minLength": 1, "maxLength": EmailField.longest}
    )
    website = WebsiteField(
        required=True,
        metadata={
            "description": "A host name or a URL.",
            "minLength": 1,
            "maxLength": WebsiteField.longest,
            "example": "example.com",
        },
    )


class EmailCouponSchema(ma.Schema):
    email = ma.fields.String(required=True)
    website = ma.fields.String(required=True)
    code = ma.fields.String(required=True)
    expires_at = Moment(required=True, allow_none=True)


class EmailCouponsQuery(LinkedPageQuery):
    email = EmailField(metadata={"maxLength": EmailField.longest})
    website = WebsiteField(metadata={"maxLength": WebsiteField.longest})

    @ma.pre_load
    def without_empty_filters(self, query: Mapping[str, str], **_: Any) -> dict[str, str]:
        return {
            name: query[name] for name in query if query[name] or name not in ("email", "website")
        }


class EmailCouponPageSchema(LinkedPageSchema):
    results = ma.fields.List(
        ma.fields.Nested(EmailCouponSchema()), attribute="items", required=True
    )
