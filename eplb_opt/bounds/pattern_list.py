"""All contents that a rank may have at a target, listed (``models/README.md``, X6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..certificates.rank_model import Model
from ..certificates.window_model import WindowModel
from ..compiled import compiled
from ..problem.pool import Ints, Pool

Codes = npt.NDArray[np.int32]

LISTING = 200  # steps of listing for a pattern of the most that are listed
FULL = -1  # what `list_patterns` says where the room does not suffice


def list_all(
    pool: Pool, model: Model, most: int, windows: WindowModel | None = None
) -> tuple[Ints, Ints] | None:
    """All patterns of a model, fullest first (X6).

    Parameters
    ----------
    pool : Pool
    model : Model
        Types of replicas and limits at a target.
    most : int
        Patterns that are worth listing.
    windows : WindowModel, optional
        Only those that the windows allow, too (W4).

    Returns
    -------
    types : array [patterns, slots a rank], int64
        The types in each, heaviest first.
    loads : array [patterns], int64
        In the model's integers. Both are None if there are more than ``most``, or too many to look through.
    """
    slots = pool.slots_per_rank
    types = np.empty((most, slots), np.int32)
    loads = np.empty(most, np.int64)
    extra = model.count - model.least[model.expert]
    shape = (slots, model.spare, pool.distinct)
    limits = (model.limit - model.slack, model.limit)
    seen = 0 if windows is None else len(windows.items)
    room = (most, most * LISTING // (1 + seen))
    listed = list_patterns(
        model.item,
        model.expert,
        model.count,
        extra,
        shape,
        limits,
        room,
        _limits_of(model, windows),
        types,
        loads,
    )
    if listed == FULL:
        return None
    fullest = np.argsort(-loads[:listed], kind="stable")
    ordered = types[fullest].astype(np.int64)
    if windows is None:
        return ordered, loads[fullest]
    fits = windows.within(windows.loads_of(ordered))
    return ordered[fits], loads[fullest][fits]


def _limits_of(model: Model, windows: WindowModel | None) -> tuple[Ints, Ints, Ints]:
    """Items [types, windows], least and most of a rank [windows]; of no windows if there are none."""
    if windows is None:
        nothing = np.zeros(0, np.int64)
        return np.zeros((model.item.size, 0), np.int64), nothing, nothing
    return np.ascontiguousarray(windows.items.T), windows.least, windows.most


@compiled
def list_patterns(
    item: Ints,
    expert: Ints,
    count: Ints,
    extra: Ints,
    shape: tuple[int, int, bool],
    limits: tuple[int, int],
    room: tuple[int, int],
    windows: tuple[Ints, Ints, Ints],
    out: Codes,
    load: Ints,
) -> int:
    """All multisets of replica types that fill a rank.

    Parameters
    ----------
    item, expert, count, extra : arrays [types], int64
        Types, heaviest first: load of a replica, its expert, the expert's count, the count beyond the expert's least.
    shape : tuple of int, int, bool
        Slots per rank, spare slots beyond all least counts, distinct.
    limits : tuple of int, int
        Least and most load of a rank.
    room : tuple of int, int
        Most patterns; most steps.
    windows : tuple of arrays [types, windows], [windows], [windows], int64
        Load of a replica, least and most load of a rank, window by window.
    out : array [patterns, slots], int32
        Filled with the types of each pattern, heaviest first.
    load : array [patterns], int64
        Filled with their loads.

    Returns
    -------
    int
        How many there are; FULL if the room does not suffice.
    """
    slots, spare, distinct = shape
    least, most = limits
    seen, least_seen, most_seen = windows
    seen_sums = np.zeros((slots + 1, least_seen.size), np.int64)
    lightest, heaviest = _extremes(seen)
    chosen = np.full(slots, -1, np.int64)  # the type in each slot; they never rise
    sums = np.zeros(slots + 1, np.int64)  # load of the slots before each
    used = np.zeros(slots + 1, np.int64)  # spare slots that their counts take
    listed = 0
    depth = 0
    for _ in range(room[1]):
        if depth < 0:
            break
        chosen[depth] += 1
        kind = chosen[depth]
        more = slots - 1 - depth  # slots after this one
        # nor do lighter types suffice
        if kind == item.size or sums[depth] + (more + 1) * item[kind] < least:
            depth -= 1
            continue
        top = most - sums[depth] - more * item[-1]
        if item[kind] > top:
            chosen[depth] = _first_at_most(item, kind, top) - 1
            continue
        # Here and not in a function of its own: a call with so many arrays takes three times as long as what it does.
        copies = 0
        for slot in range(depth):
            if chosen[slot] == kind:
                copies += 1
            elif expert[chosen[slot]] == expert[kind]:
                copies = -slots  # one expert with two counts
        if copies < 0 or copies == (1 if distinct else count[kind]):
            continue
        price = extra[kind] if copies == 0 else 0  # spare slots that the count takes
        if used[depth] + price > spare:
            continue
        sums[depth + 1] = sums[depth] + item[kind]
        used[depth + 1] = used[depth] + price
        fits = True
        for k in range(least_seen.size):
            seen_sum = seen_sums[depth, k] + seen[kind, k]
            seen_sums[depth + 1, k] = seen_sum
            fits &= seen_sum + more * lightest[k] <= most_seen[k]
            fits &= seen_sum + more * heaviest[k] >= least_seen[k]
        if not fits:
            continue
        if more:
            depth += 1
            chosen[depth] = kind - 1  # the same type may follow
            continue
        if listed == room[0]:
            return FULL
        out[listed] = chosen
        load[listed] = sums[slots]
        listed += 1
    return listed if depth < 0 else FULL


@compiled
def _extremes(seen: Ints) -> tuple[Ints, Ints]:
    """The least and the most load of a replica in each window, [windows], of loads [types, windows]."""
    lightest = seen[0].copy()
    heaviest = seen[0].copy()
    for kind in range(1, len(seen)):
        lightest = np.minimum(lightest, seen[kind])
        heaviest = np.maximum(heaviest, seen[kind])
    return lightest, heaviest


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
