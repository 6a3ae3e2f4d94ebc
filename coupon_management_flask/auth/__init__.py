"""Signing in and out, for the contracts of people."""
