"""What a user does: find promos, like them, discuss them and activate them."""
