"""HTTP plumbing. Knows no business rule; what a contract's clients see differently, the contract says."""
