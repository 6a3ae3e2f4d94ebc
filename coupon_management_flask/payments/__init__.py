"""`/api/payments`: vouchers and credit are paid by card, through Stripe."""
