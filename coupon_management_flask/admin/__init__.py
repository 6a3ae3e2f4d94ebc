"""`/admin/`: every table for administrators, on Flask-Admin's views. No page runs a script."""
