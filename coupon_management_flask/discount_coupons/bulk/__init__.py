"""Codes by the thousand: batches that are generated, and files that are imported."""
