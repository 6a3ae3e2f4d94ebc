"""Mails, from the outbox to an SMTP server or to a mailbox on disk."""
