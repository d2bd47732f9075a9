"""Formulations, their proofs (README.md) and tiny models."""
