"""HTTP plumbing that knows no business rule. What differs between contracts, the contract says."""
