"""Views in which something may be changed, their forms, and the use case that changes each table."""
