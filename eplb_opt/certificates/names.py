"""What proved a bound: the names in certificates and reports, and which of them `verify` can check by itself."""

from __future__ import annotations

MEAN, REPLICA = "L0a mean", "L0b max replica"
CUTS = "L1 cuts on counts"
PATTERNS = "L2 pattern LP"
COUNTS = "s=2 counts LP"
CERTIFIED = (MEAN, REPLICA, CUTS, PATTERNS, COUNTS)  # of a pool: from its loads, or from a dual certificate

GROUPS = f"{MEAN}, groups assigned"  # of a layer whose node sets are too many to list
# What rests on a search tree, or on a solver's word: nothing short proves it again.
SEARCHED = (
    GROUPS, "rank patterns", "count enumeration", "s=2 matching CP-SAT", "CP-SAT", "MILP (HiGHS)", "MILP (CBC)",
    *(f"{name}, not certified" for name in CERTIFIED),
)  # fmt: skip


def not_certified(name: str) -> str:
    """The name of a bound whose certificate is missing, or proves less than the bound."""
    return f"{name}, not certified" if name in CERTIFIED else name
