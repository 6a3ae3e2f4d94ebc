"""Payments by card: what Stripe says of each decides about it, never what a browser says."""
