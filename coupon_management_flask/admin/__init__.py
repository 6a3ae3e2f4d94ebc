"""`/admin/`: every table for administrators, on Flask-Admin's views. Pages are our own and run no script."""
