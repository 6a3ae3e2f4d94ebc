"""What is stored. Typed tables with their constraints, and nothing else: no rule lives here but those that the database itself enforces."""

from .accounts import Account, ApiKey, GuessLog, LoginSession
from .columns import new_id
from .credit_coupons import CreditCoupon
from .operations import IdempotencyKey, Lease, OutboxMessage
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
from .stock import Redemption, Stock
from .wallet import LedgerEntry, Wallet

__all__ = [
    "Account",
    "AntifraudQuestion",
    "AntifraudVerdict",
    "ApiKey",
    "CompanyPromoCount",
    "CreditCoupon",
    "FeedCount",
    "FeedDay",
    "FeedEntry",
    "GuessLog",
    "IdempotencyKey",
    "Lease",
    "LedgerEntry",
    "LoginSession",
    "OutboxMessage",
    "Promo",
    "PromoComment",
    "PromoCounter",
    "PromoCountryCount",
    "PromoLike",
    "PromoValue",
    "Redemption",
    "Stock",
    "Wallet",
    "new_id",
]
