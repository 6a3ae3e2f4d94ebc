"""Views in which something may be changed, their forms, and the use case of each table."""
