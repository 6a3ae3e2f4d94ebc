"""What is stored. Typed tables with their constraints, and nothing else: no rule lives here but those that the database itself enforces."""

from .accounts import Account, ApiKey, GuessLog, LoginSession, PasswordReset
from .admin import AdminChange
from .analytics import DailyFigure, RollUpMark
from .batches import CouponBatch
from .columns import new_id
from .credit_coupons import CreditCoupon
from .discount_coupons import AMOUNT_DECIMALS, Amount, DiscountCoupon, DiscountCouponTarget, OrderRedemption, OrderRedemptionCode
from .email_coupons import EmailCoupon, UnsubscribedAddress
from .operations import IdempotencyKey, Lease, Outage, OutboxMessage
from .payments import PaymentDebt, PaymentEvent, PaymentTransaction
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
from .vouchers import Voucher, VoucherPurchase, VoucherType, VoucherUsage
from .wallet import LedgerEntry, Wallet
from .webhooks import Webhook, WebhookDelivery, WebhookSubscription

__all__ = [
    "AMOUNT_DECIMALS",
    "Account",
    "AdminChange",
    "Amount",
    "AntifraudQuestion",
    "AntifraudVerdict",
    "ApiKey",
    "CompanyPromoCount",
    "CouponBatch",
    "CreditCoupon",
    "DailyFigure",
    "DiscountCoupon",
    "DiscountCouponTarget",
    "EmailCoupon",
    "FeedCount",
    "FeedDay",
    "FeedEntry",
    "GuessLog",
    "IdempotencyKey",
    "Lease",
    "LedgerEntry",
    "LimitUse",
    "LoginSession",
    "OrderRedemption",
    "OrderRedemptionCode",
    "Outage",
    "OutboxMessage",
    "PasswordReset",
    "PaymentDebt",
    "PaymentEvent",
    "PaymentTransaction",
    "Promo",
    "PromoComment",
    "PromoCounter",
    "PromoCountryCount",
    "PromoLike",
    "PromoValue",
    "Redemption",
    "RedemptionTake",
    "RollUpMark",
    "Stock",
    "UnsubscribedAddress",
    "Voucher",
    "VoucherPurchase",
    "VoucherType",
    "VoucherUsage",
    "Wallet",
    "Webhook",
    "WebhookDelivery",
    "WebhookSubscription",
    "new_id",
]
