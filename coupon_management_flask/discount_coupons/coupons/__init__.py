"""A shop's coupons: made, changed and found."""
