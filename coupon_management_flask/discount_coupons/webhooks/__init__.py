"""The addresses that a shop has told of its events."""
