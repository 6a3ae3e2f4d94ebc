"""What coupons take off a cart: arithmetic alone."""
