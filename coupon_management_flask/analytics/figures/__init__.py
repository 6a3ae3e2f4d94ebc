"""Daily figures: what was redeemed, issued and sold, summed up by day (UTC).

A dashboard over millions of redemptions reads these and scans none of them. What happens is a few
streams of events (streams.py). Each has an order in which it can be read on from a mark: by ids,
which are UUIDs of version 7 and sort by time, or by the moment at which something was taken back.

The worker adds up what lies between the mark and a horizon (rollup.py) and moves the mark in the
same transaction. Behind the horizon nothing is committed any more. A reader adds what lies behind
the marks: figures and tail together are the whole, at every moment.

What was taken back lowers the day on which it had happened: a day's figures are what still stands.
"""
