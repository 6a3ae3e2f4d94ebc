"""How fast it is, against what it could be and against what it was.

`make bench` runs it. README.md in this folder says how to read it.
"""
