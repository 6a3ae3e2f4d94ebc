"""What is sold, however it is paid: its price, discount and delivery; and buying with credit."""
