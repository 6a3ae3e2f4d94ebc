"""Views that change something, their forms, and the use case that changes each table."""
