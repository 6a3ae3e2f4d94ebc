"""What is sold, however it is paid: its price at a moment, its discount, its delivery, and buying with credit."""
