"""Rows of any table: which are found, how they are shown, and the view that does both."""
