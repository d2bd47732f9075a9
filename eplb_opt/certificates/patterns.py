"""The certificate of the pattern bound L2 and its exact check, without a solver or compiled code (L2.2).

The check shares with the prover (`bounds.patterns`) the replica types and the program over counts; it lists rank
contents by itself, in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..problem.pool import Ints, Pool
from ..strict import integer, number
from .certificate import Certificate
from .names import PATTERNS
from .rank_model import Model

MOST_STEPS = 40_000_000  # partial rank contents looked at: as many as the prover's listing may take
AT_ONCE = 200_000  # partial contents extended together: memory
MOST_CELLS = 400_000_000  # of the program over counts: types times slots
MOST_COST = 2**59  # of all replicas: sums stay within int64


@dataclass(frozen=True)
class PatternCertificate(Certificate):
    """Proves that no packing of a pool is within ``target`` by prices of replica types (L2.2).

    Parameters
    ----------
    target : float
        T, in units of load.
    prices : tuple of (expert, count, price), integers
        Multiplier of each replica type; types that are not listed cost nothing.
    """

    kind: ClassVar[str] = "patterns"
    names: ClassVar[tuple[str, ...]] = (PATTERNS,)

    prices: tuple[tuple[int, int, int], ...]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> PatternCertificate:
        """The certificate of ``to_dict``; a value of the wrong type raises what it raises."""
        prices = tuple(
            (integer(e), integer(k), integer(price)) for e, k, price in data["prices"]
        )
        return cls(number(data["target"]), prices)


def cheapest_counts(pool: Pool, model: Model, prices: Ints) -> float:
    """The least of ``sum_e c_e * price(e, c_e)`` over all counts that fill the slots; a dynamic program over slots.

    Parameters
    ----------
    prices : array [types], int64
        With ``slots * max |price| < 2**59``.

    Returns
    -------
    float
        An integer, or infinite if no counts fill the slots.
    """
    # No counts use so many slots; sums of two stay within int64.
    nowhere = np.iinfo(np.int64).max // 4
    least = np.full(pool.slots + 1, nowhere)
    least[0] = 0
    for expert in range(pool.num_experts):
        after = np.full(pool.slots + 1, nowhere)
        for t in np.flatnonzero(model.expert == expert):
            k = int(model.count[t])
            with_type = least[: pool.slots + 1 - k] + k * prices[t]
            after[k:] = np.minimum(after[k:], with_type)
        least = np.where(after >= nowhere // 2, nowhere, after)
    cheapest = least[-1]
    return math.inf if cheapest >= nowhere // 2 else float(cheapest)
