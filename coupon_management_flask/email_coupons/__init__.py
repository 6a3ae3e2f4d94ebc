"""`/api/coupons`: a popup on any website mails a visitor a code."""
