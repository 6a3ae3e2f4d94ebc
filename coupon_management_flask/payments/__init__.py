"""`/api/payments`, and what of `/api/vouchers` sells: vouchers and credit are bought and refunded."""
