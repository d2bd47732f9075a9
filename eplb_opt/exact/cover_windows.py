"""Compiled: what windows allow while all ranks are covered by rank contents (``models/README.md``, W5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..compiled import compiled
from ..problem.pool import Floats, Ints

if TYPE_CHECKING:
    from .cover_kernel import Tree


class Seen(NamedTuple):
    """What windows say of patterns; nothing if there are none.

    Attributes
    ----------
    load : array [patterns, windows], int64
        Of each pattern in each window.
    most : array [windows]
        What a rank carries at most.
    caps : array [windows], float64
        What a window may weigh in the objective.
    limit : float
        The objective's.
    """

    load: Ints
    most: Ints
    caps: Floats
    limit: float


@compiled
def see(seen: Seen, j: int, depth: int, tree: Tree) -> int:
    """Leave in the next depth's list the patterns that the windows allow after pattern j (W5).

    Parameters
    ----------
    seen : Seen
    j : int
        The pattern put on the rank of this depth.
    depth : int
    tree : Tree
        Changed.

    Returns
    -------
    int
        How many patterns were looked at.
    """
    windows = seen.most.size
    unfilled = tree.size.size - depth - 1
    peaks = tree.peaks[depth + 1]
    rest = tree.rest[depth + 1]
    for k in range(windows):
        rest[k] = tree.rest[depth, k] - seen.load[j, k]
        # some rank that is left carries the mean of what is left
        mean = -(-rest[k] // unfilled)
        peaks[k] = max(tree.peaks[depth, k], seen.load[j, k], mean)
    order = np.empty(windows, np.int64)
    heaviest = np.empty(windows, np.int64)
    listed = tree.lists[depth + 1]
    looked = tree.size[depth + 1]
    size = 0
    for position in range(looked):
        i = listed[position]
        fits = True
        for k in range(windows):
            load = seen.load[i, k]
            heaviest[k] = max(peaks[k], load)
            # a lighter rank leaves more than the others can carry
            fits &= load >= rest[k] - (unfilled - 1) * seen.most[k]
        listed[size] = i
        if fits and _objective(heaviest, seen.caps, order) <= seen.limit:
            size += 1
    tree.size[depth + 1] = size
    return int(looked)


@compiled
def _objective(heaviest: Ints, caps: Floats, order: Ints) -> float:
    """The largest mean of the windows' heaviest loads, by weights within caps that sum to one; ``order`` is scratch."""
    windows = heaviest.size
    for k in range(windows):
        place = k
        while place > 0 and heaviest[order[place - 1]] < heaviest[k]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = k
    value = 0.0
    left = 1.0
    for place in range(windows):
        k = order[place]
        weight = min(left, caps[k])
        value += weight * heaviest[k]
        left -= weight
    return value
