"""What coupons take off a cart: the same arithmetic for what is promised and what is redeemed.

Where the contract leaves it open:

- Matching: `products` and `categories` add up. A line that is in either matches, and where both
  are empty every line does. Exclusions win over them. An unknown category is none. Without items,
  `product_ids` decide whether a coupon applies, and it applies to the whole total.
- A `minPurchase` coupon applies to the whole cart but for what it excludes by name. `products` and
  `categories` do not narrow it. The minimum, of either kind of coupon, is compared with the whole
  initial total, also when others took something off before.
- An amount is rounded half-up to the currency's minor unit once, after the caps. In a combination,
  each coupon's amount is.
- Order: the higher `priority` first, then the larger saving on the untouched cart, then the code.
  A code given twice counts once.
- Shares go by what is left of each line. Those of a percentage of the initial amount go by the
  lines' initial amounts; what a line can't bear any more goes to the others, by what is left of
  them.

In a combination a line's odd cent goes by position, so the order of the lines can move a total by
a cent where coupons overlap in part. The total of one coupon never depends on it.
"""

from .best import EXACT_UP_TO, Best, best
from .cart import Cart, Item
from .combine import Combined, combine
from .offer import Offer, Saving, Steps, offer, saving
from .terms import Terms

__all__ = [
    "EXACT_UP_TO",
    "Best",
    "Cart",
    "Combined",
    "Item",
    "Offer",
    "Saving",
    "Steps",
    "Terms",
    "best",
    "combine",
    "offer",
    "saving",
]
