"""A view for every table, by feature."""

from ..db.session import Model
from ..models import (
    Account,
    AdminChange,
    AntifraudQuestion,
    AntifraudVerdict,
    ApiKey,
    CompanyPromoCount,
    CouponBatch,
    CouponImportPart,
    CreditCoupon,
    DailyFigure,
    DiscountCoupon,
    DiscountCouponTarget,
    EmailCoupon,
    FeedCount,
    FeedDay,
    FeedEntry,
    GuessLog,
    IdempotencyKey,
    Lease,
    LedgerEntry,
    LimitUse,
    LoginSession,
    MailRefusal,
    OrderRedemption,
    OrderRedemptionCode,
    Outage,
    OutboxMessage,
    PasswordReset,
    PaymentDebt,
    PaymentEvent,
    PaymentReturn,
    PaymentTransaction,
    Promo,
    PromoComment,
    PromoCounter,
    PromoCountryCount,
    PromoLike,
    PromoValue,
    Redemption,
    RedemptionTake,
    RollUpMark,
    SaleChange,
    Stock,
    UnsubscribedAddress,
    Voucher,
    VoucherPurchase,
    VoucherType,
    VoucherUsage,
    Wallet,
    Webhook,
    WebhookDelivery,
    WebhookSubscription,
)
from .editing import use_cases
from .tables.view import TableView


class OrderRedemptions(TableView):
    listed = (
        "id",
        "account_id",
        "order_id",
        "customer_id",
        "currency",
        "original",
        "discount",
        "version",
        "created_at",
        "rolled_back_at",
    )


class PaymentTransactions(TableView):
    listed = (
        "id",
        "account_id",
        "status",
        "amount",
        "currency",
        "voucher_type_id",
        "quantity",
        "credits",
        "problem",
        "created_at",
        "updated_at",
    )


class AdminChanges(TableView):
    listed = ("id", "created_at", "account_id", "action", "table_name", "row_id", "before", "after")


_VIEWS: dict[type[Model], type[TableView]] = {
    Account: use_cases.Accounts,
    AdminChange: AdminChanges,
    CreditCoupon: use_cases.CreditCoupons,
    DiscountCoupon: use_cases.DiscountCoupons,
    OrderRedemption: OrderRedemptions,
    PaymentTransaction: PaymentTransactions,
    Promo: use_cases.Promos,
    UnsubscribedAddress: use_cases.UnsubscribedAddresses,
    VoucherType: use_cases.VoucherTypes,
    Webhook: use_cases.Webhooks,
}

_MENU: dict[str, tuple[type[Model], ...]] = {
    "Accounts": (Account, LoginSession, ApiKey, PasswordReset, GuessLog),
    "Credit": (Wallet, LedgerEntry, CreditCoupon),
    "Redemptions": (Redemption, RedemptionTake, Stock, LimitUse),
    "Promos": (
        Promo,
        PromoValue,
        PromoCounter,
        PromoLike,
        PromoComment,
        PromoCountryCount,
        CompanyPromoCount,
        FeedEntry,
        FeedCount,
        FeedDay,
        AntifraudVerdict,
        AntifraudQuestion,
    ),
    "Discounts": (
        DiscountCoupon,
        DiscountCouponTarget,
        CouponBatch,
        CouponImportPart,
        OrderRedemption,
        OrderRedemptionCode,
    ),
    "E-mail coupons": (EmailCoupon, UnsubscribedAddress),
    "Vouchers": (VoucherType, VoucherPurchase, SaleChange, Voucher, VoucherUsage),
    "Payments": (PaymentTransaction, PaymentReturn, PaymentDebt, PaymentEvent),
    "Webhooks": (Webhook, WebhookSubscription, WebhookDelivery),
    "Analytics": (DailyFigure, RollUpMark),
    "Operations": (AdminChange, OutboxMessage, IdempotencyKey, Lease, Outage, MailRefusal),
}


def all_views() -> list[TableView]:
    return [
        _VIEWS.get(model, TableView)(model, category)
        for category, models in _MENU.items()
        for model in models
    ]
