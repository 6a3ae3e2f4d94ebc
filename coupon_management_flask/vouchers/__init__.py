"""`/api/vouchers`: the types that are on sale, the vouchers somebody owns, and redeeming them."""
