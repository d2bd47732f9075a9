"""All contents that a rank may have at a target, listed (``models/README.md``, X6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..certificates.rank_model import Model
from ..compiled import compiled
from ..problem.pool import Pool

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

LISTING = 200  # steps of listing for a pattern of MOST_PATTERNS


def list_all(pool: Pool, model: Model, most: int) -> tuple[Ints, Ints] | None:
    """Types [patterns, slots] and loads [patterns] of all patterns, fullest first; None if there are too many."""
    slots = pool.slots_per_rank
    capacity, steps = most, most * LISTING
    out, load = np.empty((capacity, slots), np.int32), np.empty(capacity, np.int64)
    found = list_patterns(
        model.item, model.expert, model.count, model.count - model.least[model.expert],
        (slots, model.spare, pool.distinct), (model.limit - model.slack, model.limit), (capacity, steps), out, load,
    )  # fmt: skip
    if found < 0:
        return None
    fullest = np.argsort(-load[:found], kind="stable")
    return out[fullest].astype(np.int64), load[fullest]


@compiled
def list_patterns(
    item: Ints, expert: Ints, count: Ints, extra: Ints, shape: tuple[int, int, bool], limits: tuple[int, int],
    room: tuple[int, int], out: Codes, load: Ints,
) -> int:  # fmt: skip
    """All multisets of replica types that fill a rank; how many, -1 if the room does not suffice.

    Parameters
    ----------
    item, expert, count, extra : arrays [types], int64
        Types, heaviest first: load of a replica, its expert, the expert's count, the count beyond the expert's least.
    shape : slots per rank, spare slots beyond all least counts, distinct.
    limits : least and most load of a rank.
    room : most patterns; most steps.
    out : array [capacity, slots], int32
        The types of each pattern, heaviest first.
    load : array [capacity], int64
    """
    slots, spare, distinct = shape
    types, found, steps, depth = item.size, 0, 0, 0
    at, sums, used = np.zeros(slots, np.int64), np.zeros(slots + 1, np.int64), np.zeros(slots + 1, np.int64)
    at[0] = -1
    while depth >= 0:
        at[depth] += 1
        i, more = at[depth], slots - 1 - depth
        steps += 1
        if steps > room[1]:
            return -1
        if i == types or sums[depth] + (more + 1) * item[i] < limits[0]:
            depth -= 1
            continue
        top = limits[1] - sums[depth] - more * item[types - 1]
        if item[i] > top:
            at[depth] = _first_at_most(item, i, top) - 1
            continue
        taken = 0  # replicas of this type; -1: the expert is here with another count
        for d in range(depth):
            if at[d] == i:
                taken += 1
            elif expert[at[d]] == expert[i]:
                taken = -slots
        if taken < 0 or taken == (1 if distinct else count[i]):
            continue
        spent = used[depth] + (extra[i] if taken == 0 else 0)
        if spent > spare:
            continue
        sums[depth + 1], used[depth + 1] = sums[depth] + item[i], spent
        if more:
            depth += 1
            at[depth] = i - 1
            continue
        if found == room[0]:
            return -1
        for d in range(slots):
            out[found, d] = at[d]
        load[found] = sums[slots]
        found += 1
    return found


@compiled
def _first_at_most(item: Ints, low: int, top: int) -> int:
    """The first type from ``low`` on with load <= top (``item.size`` if none)."""
    high = item.size
    while low < high:
        middle = (low + high) // 2
        if item[middle] > top:
            low = middle + 1
        else:
            high = middle
    return low
