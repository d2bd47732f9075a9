"""What proved a bound, as certificates and reports name it."""

from __future__ import annotations

MEAN = "L0a mean"
REPLICA = "L0b max replica"
CUTS = "L1 cuts on counts"
COST = "L1 counts in time"  # of a pool with a cost
UNEQUAL = "L1 unequal ranks"
PATTERNS = "L2 pattern LP"
COUNTS = "s=2 counts LP"
CP_SAT = "CP-SAT"
SPARE_REPLICA = "SP2 max replica"  # of maps with spare replicas only

COVER = "rank-pattern tree"
COUNT_TREE = "s=2 counts tree"
GROUP_TREE = f"{MEAN}, group tree"  # of a layer whose node sets are too many to list

GROUPS = f"{MEAN}, groups assigned"  # of such a layer, where no tree is made again
# What rests on a search tree, or on a solver's word: nothing short proves it again.
SEARCHED = (
    GROUPS,
    "rank patterns",
    "count enumeration",
    "s=2 matching CP-SAT",
    CP_SAT,
    "MILP (HiGHS)",
    "MILP (CBC)",
)
