"""What operators run: `flask --app coupon_management_flask ...`, a file of commands for each feature."""
