"""Where background work is run from."""
