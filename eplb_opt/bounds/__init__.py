"""Proven lower bounds of a pool; the proofs are in ``models/README.md``."""
