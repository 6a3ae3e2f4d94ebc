"""What is stored. Typed tables with their constraints, and nothing else: no rule lives here but those that the database itself enforces."""

from .accounts import Account, ApiKey, GuessLog, LoginSession
from .columns import new_id
from .credit_coupons import CreditCoupon
from .operations import IdempotencyKey, Lease, OutboxMessage
from .stock import Redemption, Stock
from .wallet import LedgerEntry, Wallet

__all__ = [
    "Account",
    "ApiKey",
    "CreditCoupon",
    "GuessLog",
    "IdempotencyKey",
    "Lease",
    "LedgerEntry",
    "LoginSession",
    "OutboxMessage",
    "Redemption",
    "Stock",
    "Wallet",
    "new_id",
]
