"""Payments by card: each is settled by what Stripe says of it, never by what a browser says."""
