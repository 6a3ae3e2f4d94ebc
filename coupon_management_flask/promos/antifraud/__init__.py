"""Whether somebody may activate: a service that is asked, or a built-in check."""
