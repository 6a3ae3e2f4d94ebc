"""What is stored. Typed tables with their constraints, and nothing else: no rule lives here but those that the database itself enforces."""

from .accounts import Account, ApiKey, GuessLog, LoginSession
from .batches import CouponBatch
from .columns import new_id
from .credit_coupons import CreditCoupon
from .discount_coupons import AMOUNT_DECIMALS, Amount, DiscountCoupon, DiscountCouponTarget, OrderRedemption, OrderRedemptionCode
from .email_coupons import EmailCoupon, UnsubscribedAddress
from .operations import IdempotencyKey, Lease, Outage, OutboxMessage
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
from .wallet import LedgerEntry, Wallet
from .webhooks import Webhook, WebhookDelivery, WebhookSubscription

__all__ = [
    "AMOUNT_DECIMALS",
    "Account",
    "Amount",
    "AntifraudQuestion",
    "AntifraudVerdict",
    "ApiKey",
    "CompanyPromoCount",
    "CouponBatch",
    "CreditCoupon",
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
    "Promo",
    "PromoComment",
    "PromoCounter",
    "PromoCountryCount",
    "PromoLike",
    "PromoValue",
    "Redemption",
    "RedemptionTake",
    "Stock",
    "UnsubscribedAddress",
    "Wallet",
    "Webhook",
    "WebhookDelivery",
    "WebhookSubscription",
    "new_id",
]
