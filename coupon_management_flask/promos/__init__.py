"""`/api/business` and `/api/user`: companies publish promo codes, users find and activate them."""
