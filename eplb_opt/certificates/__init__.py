"""Certificates of bounds and of layers: what can be checked without a prover, a solver or compiled code."""
