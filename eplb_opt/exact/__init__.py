"""Exact methods on pools and on the group assignment; their solvers load when used."""
