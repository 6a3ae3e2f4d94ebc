"""What was issued, redeemed and sold: a dashboard and an export."""
