"""The certificate of a search over rank contents: its tree is looked through again (``models/README.md``, X11)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..problem.pool import Pool
from .certificate import Certificate
from .cover_tree import has_no_cover
from .names import COVER
from .rank_model import rank_model
from .window_model import window_model

MOST_TYPES = 400_000  # of replicas, an expert and a count each


@dataclass(frozen=True)
class CoverCertificate(Certificate):
    """Says that no contents of ranks within ``target`` hold all replicas, by a tree that can be made again (X11).

    Parameters
    ----------
    target : float
        T, in units of load.
    """

    kind: ClassVar[str] = "cover"
    names: ClassVar[tuple[str, ...]] = (COVER,)

    def holds(self, pool: Pool) -> bool:
        """Whether no packing of the pool is within the target: in integers, without a solver (X7, X11)."""
        if not (math.isfinite(self.target) and self.target > 0):
            return False
        if pool.num_experts * pool.max_count > MOST_TYPES:
            return False
        model = rank_model(pool, self.target)
        if model is None:  # L0
            return True
        return has_no_cover(pool, model, window_model(pool, model, self.target))
