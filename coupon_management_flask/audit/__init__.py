"""The books: a file of rules for each feature, and the one runner that asks them all."""
