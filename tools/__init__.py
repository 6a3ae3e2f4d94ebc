"""Rulers: what the code measures (`measure`), and what its tests notice (`mutate`)."""
