"""What a company does: it publishes promos, changes them, lists them, and sees how they do."""
