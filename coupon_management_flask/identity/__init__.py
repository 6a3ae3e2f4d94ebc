"""Who somebody is and what they did.

Accounts, roles, passwords, sessions, API keys, password reset, failed attempts, the log of changes.
"""
