"""`/api/vouchers` and its neighbours: vouchers are bought with credit or by card, and redeemed."""
