"""The kinds and states of rows. Their values are what the database holds."""

from enum import StrEnum

from ..db.session import Model
from ..db.types import Word


class AccountKind(StrEnum):
    USER = "user"
    COMPANY = "company"
    # A server that acts through API keys.
    SERVICE = "service"


class Role(StrEnum):
    USER = "user"
    ADMINISTRATOR = "administrator"


class RedemptionKind(StrEnum):
    """What a redemption took: the use of a credit coupon, a promo, a discount code or a voucher."""

    CREDIT = "credit"
    PROMO = "promo"
    DISCOUNT = "discount"
    VOUCHER = "voucher"


class DiscountType(StrEnum):
    PERCENTAGE = "percentage"
    FIXED = "fixed"


class CouponFor(StrEnum):
    PRODUCT = "product"
    MIN_PURCHASE = "minPurchase"


class DiscountBase(StrEnum):
    """What a percentage is taken of: what other coupons have left, or the price before them."""

    REMAINING = "remaining"
    INITIAL = "initial"


class TargetKind(StrEnum):
    """How a discount coupon is found: by what it lists or excludes, or by its customer."""

    PRODUCT = "product"
    EXCLUDED = "excluded"
    CUSTOMER = "customer"
    CATEGORY = "category"
    EXCLUDED_CATEGORY = "excluded_category"


class LimitRule(StrEnum):
    """What a limit counts. A coupon's `limits` hold their amounts under these names."""

    PER_CUSTOMER = "perCustomer"
    PER_DAY = "perDay"
    PER_WEEK = "perWeek"
    PER_MONTH = "perMonth"
    PER_CUSTOMER_PER_DAY = "perCustomerPerDay"
    BUDGET = "budget"
    # Of no coupon alone: a customer has one first order.
    FIRST_ORDER = "firstOrder"


class PromoMode(StrEnum):
    # One value for everybody.
    COMMON = "COMMON"
    # A list of values, each handed out once.
    UNIQUE = "UNIQUE"


class AntifraudAnswer(StrEnum):
    YES = "yes"
    NO = "no"
    FAILED = "failed"


class PaymentStatus(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    # Begun: the goods are taken back, and Stripe has not said yes or no yet.
    REFUNDING = "refunding"
    # Stripe has said yes, and the bank is still on it.
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"
    # The bank has said no: the money is here, and the goods are the buyer's again.
    REFUND_FAILED = "refund_failed"
    # The payer's bank wants the money back, or has it by now.
    DISPUTED = "disputed"


class ReturnKind(StrEnum):
    """How money of a payment goes back: we send it, or the payer's bank takes it."""

    REFUND = "refund"
    DISPUTE = "dispute"


class ReturnStatus(StrEnum):
    PENDING = "pending"
    # The money went back: a refund that arrived, a dispute that is lost.
    DONE = "done"
    # It did not, or came again: a refund that failed, a dispute that is won.
    UNDONE = "undone"


class VoucherStatus(StrEnum):
    """Worked out from the facts, never stored."""

    ACTIVE = "active"
    USED = "used"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    # Its payment is disputed.
    FROZEN = "frozen"


class ChangeAction(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    SIGN_IN = "sign_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGN_OUT = "sign_out"


# `Mapped[Role]` is a column of texts that gives back members.
Model.registry.update_type_annotation_map(
    {
        kind: Word(kind)
        for kind in (
            AccountKind,
            Role,
            RedemptionKind,
            DiscountType,
            CouponFor,
            DiscountBase,
            TargetKind,
            LimitRule,
            PromoMode,
            AntifraudAnswer,
            PaymentStatus,
            ReturnKind,
            ReturnStatus,
            ChangeAction,
        )
    }
)
