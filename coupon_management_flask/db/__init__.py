"""The database: engines, sessions and transactions, prepared statements, column types.

It knows no table.
"""
