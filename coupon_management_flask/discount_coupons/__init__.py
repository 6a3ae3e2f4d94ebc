"""`/api/v1`: a shop's checkout validates, applies and redeems discounts."""
