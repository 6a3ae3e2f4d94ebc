"""The tables, their types and their constraints.

No rule lives here but those that the database itself enforces.
"""

from .accounts import Account, ApiKey, GuessLog, LoginSession, PasswordReset
from .admin import AdminChange
from .analytics import DailyFigure, RollUpMark
from .batches import CouponBatch, CouponImportPart
from .columns import first_id_at, new_id
from .credit_coupons import CreditCoupon
from .discount_coupons import (
    AMOUNT_DECIMALS,
    Amount,
    DiscountCoupon,
    DiscountCouponTarget,
    OrderRedemption,
    OrderRedemptionCode,
)
from .email_coupons import EmailCoupon, UnsubscribedAddress
from .kinds import (
    AccountKind,
    AntifraudAnswer,
    ChangeAction,
    CouponFor,
    DiscountBase,
    DiscountType,
    LimitRule,
    PaymentStatus,
    PromoMode,
    RedemptionKind,
    ReturnKind,
    ReturnStatus,
    Role,
    TargetKind,
    VoucherStatus,
)
from .operations import IdempotencyKey, Lease, MailRefusal, Outage, OutboxMessage
from .payments import PaymentDebt, PaymentEvent, PaymentReturn, PaymentTransaction
from .promos import (
    AntifraudQuestion,
    AntifraudVerdict,
    CompanyPromoCount,
    FeedCount,
    FeedDay,
    FeedEntry,
    Promo,
    PromoComment,
    PromoCounter,
    PromoCountryCount,
    PromoLike,
    PromoValue,
)
from .stock import LimitUse, Redemption, RedemptionTake, Stock
from .vouchers import SaleChange, Voucher, VoucherPurchase, VoucherType, VoucherUsage
from .wallet import LedgerEntry, Wallet
from .webhooks import Webhook, WebhookDelivery, WebhookSubscription

__all__ = [
    "AMOUNT_DECIMALS",
    "Account",
    "AccountKind",
    "AdminChange",
    "Amount",
    "AntifraudAnswer",
    "AntifraudQuestion",
    "AntifraudVerdict",
    "ApiKey",
    "ChangeAction",
    "CompanyPromoCount",
    "CouponBatch",
    "CouponFor",
    "CouponImportPart",
    "CreditCoupon",
    "DailyFigure",
    "DiscountBase",
    "DiscountCoupon",
    "DiscountCouponTarget",
    "DiscountType",
    "EmailCoupon",
    "FeedCount",
    "FeedDay",
    "FeedEntry",
    "GuessLog",
    "IdempotencyKey",
    "Lease",
    "LedgerEntry",
    "LimitRule",
    "LimitUse",
    "LoginSession",
    "MailRefusal",
    "OrderRedemption",
    "OrderRedemptionCode",
    "Outage",
    "OutboxMessage",
    "PasswordReset",
    "PaymentDebt",
    "PaymentEvent",
    "PaymentReturn",
    "PaymentStatus",
    "PaymentTransaction",
    "Promo",
    "PromoComment",
    "PromoCounter",
    "PromoCountryCount",
    "PromoLike",
    "PromoMode",
    "PromoValue",
    "Redemption",
    "RedemptionKind",
    "RedemptionTake",
    "ReturnKind",
    "ReturnStatus",
    "Role",
    "RollUpMark",
    "SaleChange",
    "Stock",
    "TargetKind",
    "UnsubscribedAddress",
    "Voucher",
    "VoucherPurchase",
    "VoucherStatus",
    "VoucherType",
    "VoucherUsage",
    "Wallet",
    "Webhook",
    "WebhookDelivery",
    "WebhookSubscription",
    "first_id_at",
    "new_id",
]
