"""How fast it is, against what it could be. `make bench` runs all of it; README.md in this folder says how to read it."""
