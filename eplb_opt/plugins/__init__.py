"""Policies inside engines, found through entry points: nothing here is imported by the rest of the package."""
