"""The checker: a map and its report, checked against the loads by a program that shares nothing with what wrote them.

The directory stands alone: the standard library and numpy are all that it imports. ``python -m checker MAP REPORT
LOADS`` runs it where nothing else of the package is; ``eplb-opt verify`` runs the same code. What it computes, and
why that suffices, is in ``models/README.md`` under the tags that stand in the files.
"""
