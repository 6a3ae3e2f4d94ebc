"""The promos that a user sees, found in the order in which they are shown."""
