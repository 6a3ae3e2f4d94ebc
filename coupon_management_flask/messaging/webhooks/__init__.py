"""Signed messages to addresses that others have named."""
