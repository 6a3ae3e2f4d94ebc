"""Whether a user may be given a code: another service is asked, or a built-in check is made."""
