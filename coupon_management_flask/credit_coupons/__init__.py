"""`/v1`: users spend credit on coupons that carry a hidden code."""
