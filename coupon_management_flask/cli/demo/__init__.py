"""Example data, and a shop that shows the popup, for development."""
