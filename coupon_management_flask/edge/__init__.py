"""The server's edge: it takes whole requests from sockets, and gives them to threads.

No thread waits for a client. One loop reads requests and sends answers; a thread gets a request
once all of it has come, and is free again once the answer is made. httptools parses HTTP, uvloop
is the loop, gunicorn keeps the processes.
"""
