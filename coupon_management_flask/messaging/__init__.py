"""What must happen after a commit: the outbox, the loop that works on it, and its channels."""
