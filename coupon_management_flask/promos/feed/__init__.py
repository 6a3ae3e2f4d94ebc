"""The feed: finds the promos that are meant for a user, newest first, and counts them.

It never looks at promos that are meant for others. Each promo has a few entries, and a user's
promos are the entries under at most 18 keys: the user's country or any, times the eight nodes of
`ages` above the user's age or the node of promos without an age rule. Under each key the entries
are sorted by the age of the promo, and their number is kept. Each category has entries of its own,
and so has each state (active or not).
"""
