"""Daily figures: sums that are kept, so that a dashboard never scans redemptions."""
