"""Signing up, in and out: routes and schemas for each contract of people, over identity."""
