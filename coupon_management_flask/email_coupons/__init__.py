"""`/api/coupons`: a popup on any website gives a visitor a code, which is mailed too."""
