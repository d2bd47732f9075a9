"""What proved a bound: the names in certificates and reports, and which of them `verify` can check by itself."""

from __future__ import annotations

MEAN, REPLICA = "L0a mean", "L0b max replica"
CUTS = "L1 cuts on counts"
PATTERNS = "L2 pattern LP"
COUNTS = "s=2 counts LP"
CERTIFIED = (MEAN, REPLICA, CUTS, PATTERNS, COUNTS)  # of a pool: from its loads, or from a dual certificate
