"""The tables in which something may be changed, and the use cases that do it."""

from typing import Any, cast

import marshmallow as ma
from marshmallow import validate

from ... import config
from ...core import errors, money, stock
from ...credit_coupons import coupons as credit_coupons
from ...credit_coupons import schemas as credit_schemas
from ...discount_coupons.coupons import change as discount_coupon
from ...discount_coupons.coupons.coupon import IS_THERE
from ...discount_coupons.schemas.coupons import DiscountCouponChanges
from ...discount_coupons.webhooks import service as webhook_service
from ...email_coupons import unsubscribe as unsubscribed
from ...email_coupons.schemas import EmailField
from ...models import Role
from ...promos import schemas as promo_schemas
from ...promos.business import change as promo
from ...promos.business.terms import TermsChanges
from ...promos.feed import days
from ...text import mailboxes
from ...vouchers import schemas as voucher_schemas
from ...vouchers import types as voucher_types
from ...web.body import BoundedSchema, Truth
from ...web.typed import Name
from .. import service
from ..access import administrator
from ..tables.cells import Row
from ..tables.columns import Key
from .forms import SchemaField, Texts, as_text, typed
from .views import CreatableView, DeletableView, EditableView


class AccountChanges(BoundedSchema):
    name = Name(1, 100)
    surname = Name(0, 120)
    role = ma.fields.String(validate=validate.OneOf(list(Role)))
    is_active = Truth()


class Accounts(EditableView):
    listed = (
        "id",
        "kind",
        "username",
        "email",
        "name",
        "surname",
        "role",
        "is_active",
        "created_at",
    )
    schema = AccountChanges()
    fields = dict.fromkeys(("name", "surname", "role", "is_active"))

    def hold(self, row: Row) -> None:
        service.hold_accounts(row["id"])

    def change(self, row: Row, changes: dict[str, Any]) -> None:
        service.change_account(row["id"], changes, by=administrator().id)


class _HasStock(EditableView):
    """The stock's lock guards the row that it is of."""

    def hold(self, row: Row) -> None:
        stock.lock([row["stock_id"]])


class CreditCoupons(_HasStock):
    schema = credit_schemas.CouponChanges()
    fields = dict.fromkeys(("name", "value", "expiration_date", "number_left")) | {
        "active": "is_active"
    }
    # Every use changes it.
    moving = frozenset({"number_left"})

    def texts(self, row: Row) -> Texts:
        return super().texts({**row, "number_left": row["capacity"] - row["claimed"]})

    def change(self, row: Row, changes: dict[str, Any]) -> None:
        credit_coupons.change_coupon(row["id"], cast("credit_coupons.CouponChanges", changes))


class DiscountCoupons(_HasStock):
    only = IS_THERE
    listed = (
        "id",
        "code",
        "type",
        "discount",
        "currency",
        "coupon_for",
        "is_active",
        "is_public",
        "starts_at",
        "expires_at",
        "claimed",
        "capacity",
        "created_at",
    )
    schema = DiscountCouponChanges()
    fields = {
        **dict.fromkeys(
            (
                "description",
                "discount",
                "min_purchase_amount",
                "max_discount_amount",
                "starts_at",
                "expires_at",
            )
        ),
        "max_usage": "capacity",
        **dict.fromkeys(
            ("is_active", "first_order_only", "combinable", "exclusive_group", "priority")
        ),
    }

    def change(self, row: Row, changes: dict[str, Any]) -> None:
        discount_coupon.change_coupon(row["id"], changes)


_TARGET = ("age_from", "age_until", "country", "categories")


class Promos(_HasStock):
    listed = (
        "id",
        "company_id",
        "description",
        "mode",
        "active_from",
        "active_until",
        "country",
        "is_active",
        "claimed",
        "capacity",
        "created_at",
    )
    schema = promo_schemas.PromoChanges()
    fields = dict.fromkeys(
        ("description", "image_url", "max_count", "active_from", "active_until", *_TARGET)
    )

    def field(self, schema: ma.Schema, name: str) -> SchemaField:
        return _target_schema.fields[name] if name in _TARGET else super().field(schema, name)

    def together(self, changed: list[str]) -> list[str]:
        # A target is changed as a whole.
        return [*changed, *_TARGET] if set(changed) & set(_TARGET) else changed

    def payload(self, schema: ma.Schema, changed: list[str], sent: Texts) -> dict[str, object]:
        payload = super().payload(schema, [name for name in changed if name not in _TARGET], sent)
        if set(changed) & set(_TARGET):
            payload["target"] = {
                name: typed(_target_schema.fields[name], sent[name])
                for name in _TARGET
                if sent[name]
            }
        return payload

    def prepare(self) -> None:
        timezone = config.current().promo_timezone
        days.turn_to(days.today(timezone), timezone.key)

    def hold(self, row: Row) -> None:
        days.held_day(days.today(config.current().promo_timezone))
        super().hold(row)

    def change(self, row: Row, changes: dict[str, Any]) -> None:
        promo.change(
            row["company_id"],
            row["id"],
            cast("TermsChanges", changes),
            timezone=config.current().promo_timezone,
        )


_target_schema = promo_schemas.TargetSchema()


class VoucherTypes(CreatableView, EditableView):
    schema = voucher_schemas.VoucherTypeChanges()
    new_schema = voucher_schemas.NewVoucherType()
    new_fields = (
        "name",
        "description",
        "price",
        "currency",
        "service_type",
        "is_active",
        "validity_days",
        "max_uses",
    )
    fields = dict.fromkeys(new_fields)

    def texts(self, row: Row) -> Texts:
        return {
            **super().texts(row),
            "price": as_text(money.from_minor(row["price"], row["currency"])),
        }

    def change(self, row: Row, changes: dict[str, Any]) -> None:
        voucher_types.change_type(row["id"], **changes)

    def create(self, given: dict[str, Any]) -> Key:
        return (voucher_types.create_type(**{"currency": config.current().currency, **given}).id,)


class NewAddress(BoundedSchema):
    email = EmailField(required=True)


class UnsubscribedAddresses(CreatableView, DeletableView):
    new_schema = NewAddress()
    new_fields = ("email",)

    def create(self, given: dict[str, Any]) -> Key:
        key = (mailboxes.without_tag(given["email"]),)
        if self.read(key) is not None:
            raise errors.Conflict
        unsubscribed.unsubscribe(given["email"])
        return key

    def delete(self, row: Row) -> None:
        service.allow_mails(row["email"])


class Webhooks(DeletableView):
    def delete(self, row: Row) -> None:
        webhook_service.delete(row["id"])
