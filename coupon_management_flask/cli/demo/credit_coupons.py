"""The contract's example data, for development."""

from datetime import timedelta

from ...core import clock
from ...credit_coupons import coupons
from ...db.session import transaction
from ...identity import accounts

# Username, password, credit.
_USERS = [
    ("a.faghihi", "password", 100),
    ("user2", "user2pass", 500),
    ("user3", "user3pass", 50),
    ("user4", "user4pass", 1500),
    ("user5", "user5pass", 20),
    ("user6", "user6pass", 175),
]

# Name, value, hidden code, uses, life.
_COUPONS = [
    ("one", 50, "ABC", 5, timedelta(days=10)),
    ("two", 450, "BCD", 3, timedelta(days=1)),
    ("three", 350, "CDE", 12, timedelta(hours=5)),
    ("four", 250, "DEF", 1, timedelta(hours=1)),
    ("five", 150, "EFG", 4, timedelta(minutes=10)),
]


def load() -> bool:
    """Load all of it, or nothing and return False where its first user is there already."""
    if accounts.find(_USERS[0][0]) is not None:
        return False
    now = clock.now()
    with transaction():
        for username, password, credit in _USERS:
            accounts.create_user(username=username, password=password, name=username, credit=credit)
        for name, value, hidden_code, uses, life in _COUPONS:
            coupons.create_coupon(
                name=name,
                value=value,
                hidden_code=hidden_code,
                number_left=uses,
                expiration_date=now + life,
                is_active=True,
            )
    return True
