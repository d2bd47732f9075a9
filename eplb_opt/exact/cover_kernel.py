"""Compiled: cover all replicas with contents that a rank may have (``models/README.md``, X6-X8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import compiled
from ..problem.pool import Ints
from .cover_windows import Seen, see

Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

COVERED = 1
IMPOSSIBLE = 0
PAUSED = -1
NEVER = 1 << 20  # cost of a replica that no slot can take: more than all slots


class Tree(NamedTuple):
    """Where the search is; it can pause and go on.

    Attributes
    ----------
    state : array [3], int64
        Depth (ranks filled), 1 if the list at that depth is new, and lists so far that had candidates.
    lists : array [ranks, patterns], int32; size : array [ranks]
        Patterns that still fit at each depth, fullest first.
    cursor, pivot : arrays [ranks]
        Position in the list of the pattern chosen; the expert that it must hold (-1: some expert fits nowhere).
    slack, spare : arrays [ranks]
        What the ranks from here on may leave unused; slots beyond the least counts.
    counts, left : arrays [experts]
        The count decided on (0: none yet), and how many of these replicas are not placed yet.
    opened : array [ranks, slots]
        Experts whose count was decided at each depth (-1: no more).
    cost : array [experts * options * slots], int32
        Spare slots that the m-th replica of a type on a rank takes; NEVER if it cannot be had.
    excluded : array [patterns], bool
        All packings with this pattern and the ones chosen before have been looked at.
    tally : array [experts]
        Patterns of the newest list that hold the expert.
    peaks, rest : arrays [ranks, windows]
        Of each window the least that its heaviest rank has with the ranks filled before, and what is left to carry.
    """

    state: Ints
    lists: Codes
    size: Ints
    cursor: Ints
    pivot: Ints
    slack: Ints
    spare: Ints
    counts: Ints
    left: Ints
    opened: Ints
    cost: Codes
    excluded: Bools
    tally: Ints
    peaks: Ints
    rest: Ints


@compiled
def cover(
    code: Codes,
    expert: Codes,
    load: Ints,
    least: Ints,
    limit: int,
    ticks: int,
    seen: Seen,
    tree: Tree,
) -> tuple[int, int]:
    """Go on with the search for ranks that hold all replicas (X7).

    Parameters
    ----------
    code : array [patterns, slots], int32
        ``(expert * options + count - least) * slots + m`` for the m-th replica of a type in the pattern, m from 0.
    expert : array [patterns, slots], int32
        The expert of each slot, -1 from its second replica on.
    load : array [patterns], int64
        Falling.
    least : array [experts], int64
        Smallest count of each expert.
    limit : int
        Most load of a rank.
    ticks : int
        Budget; one is spent for each pattern that is looked at.
    seen : Seen
        The windows.
    tree : Tree
        Where the search is; changed.

    Returns
    -------
    status : int
        COVERED, IMPOSSIBLE or PAUSED.
    spent : int
        Ticks.
    """
    ranks = tree.size.size
    depth = tree.state[0]
    fresh = tree.state[1] == 1
    spent = 0
    while depth >= 0:
        if spent >= ticks:
            tree.state[0] = depth
            tree.state[1] = int(fresh)
            return PAUSED, spent
        if fresh:
            tree.cursor[depth] = -1
            tree.pivot[depth] = _pivot(tree)
            tree.state[2] += int(tree.pivot[depth] >= 0)
        else:
            chosen = tree.lists[depth, tree.cursor[depth]]
            _take_back(code, least, chosen, depth, tree)
            tree.excluded[chosen] = True
        j = _next_candidate(expert, depth, tree)
        fresh = j >= 0
        if not fresh:
            depth -= 1
            continue
        use = _put(code, least, j, depth, tree)
        if depth == ranks - 1:
            return COVERED, spent
        spent += _filter(
            code,
            load,
            limit,
            limit - load[j],
            use,
            depth,
            tree,
        )
        if seen.most.size:
            spent += see(seen, j, depth, tree)
        _count_experts(expert, depth + 1, tree)
        depth += 1
    return IMPOSSIBLE, spent


@compiled
def fill_first(
    code: Codes,
    expert: Codes,
    load: Ints,
    least: Ints,
    limit: int,
    chosen: Ints,
    tree: Tree,
) -> None:
    """Fill the first ranks with patterns that ``cover`` then keeps; of a new tree only.

    Parameters
    ----------
    code, expert, load, least, limit, tree
        As of ``cover``.
    chosen : array [ranks to fill], int64
        Patterns that fit together; fewer than there are ranks.
    """
    for depth in range(chosen.size):
        j = chosen[depth]
        use = _put(code, least, j, depth, tree)
        _filter(code, load, limit, limit - load[j], use, depth, tree)
        # nothing else can be tried here
        tree.lists[depth, 0] = j
        tree.size[depth] = 1
        tree.cursor[depth] = 0
        tree.pivot[depth] = -1
    _count_experts(expert, chosen.size, tree)
    tree.state[0] = chosen.size


@compiled
def reset_costs(f: int, least: Ints, slots: int, cost: Codes) -> None:
    """Costs of an expert whose count is open.

    Its first replica on a rank takes the spare slots of the count that it decides on, the others nothing.

    Parameters
    ----------
    f : int
        The expert.
    least : array [experts], int64
        Smallest count of each expert.
    slots : int
        A rank.
    cost : array [experts * options * slots], int32
        As in `Tree`; changed.
    """
    options = cost.size // (least.size * slots)
    for extra in range(options):
        first = (f * options + extra) * slots
        for m in range(slots):
            cost[first + m] = NEVER
        for m in range(min(slots, least[f] + extra)):
            cost[first + m] = extra if m == 0 else 0


@compiled
def _pivot(tree: Tree) -> int:
    """The expert with replicas to place that the fewest patterns hold; -1 if one has none."""
    best = -1
    for e in range(tree.tally.size):
        if tree.counts[e] == 0 or tree.left[e] > 0:
            if tree.tally[e] == 0:
                return -1
            if best < 0 or tree.tally[e] < tree.tally[best]:
                best = e
    return best


@compiled
def _next_candidate(expert: Codes, depth: int, tree: Tree) -> int:
    """Move the cursor to the next pattern that holds the pivot; -1, and the exclusions undone, if there is none."""
    pivot = tree.pivot[depth]
    if pivot < 0:
        return -1
    for position in range(tree.cursor[depth] + 1, tree.size[depth]):
        j = tree.lists[depth, position]
        if _has(expert, j, pivot):
            tree.cursor[depth] = position
            return int(j)
    for position in range(tree.size[depth]):
        j = tree.lists[depth, position]
        if _has(expert, j, pivot):
            tree.excluded[j] = False
    return -1


@compiled
def _has(expert: Codes, j: int, pivot: int) -> bool:
    """Whether pattern j holds an expert."""
    for q in range(expert.shape[1]):  # noqa: SIM110 (numba has no any() over generators)
        if expert[j, q] == pivot:
            return True
    return False


@compiled
def _put(code: Codes, least: Ints, j: int, depth: int, tree: Tree) -> int:
    """Fill a rank with pattern j; the spare slots that its new counts take."""
    slots = code.shape[1]
    options = tree.cost.size // (least.size * slots)
    use = 0
    new = 0
    tree.opened[depth] = -1
    for q in range(slots):
        kind = code[j, q] // slots  # expert * options + count beyond the least
        f = kind // options
        if tree.counts[f] == 0:
            extra = kind - f * options
            use += extra
            tree.counts[f] = least[f] + extra
            tree.left[f] = least[f] + extra
            tree.cost[f * options * slots : (f + 1) * options * slots] = (
                NEVER  # other counts are out
            )
            tree.opened[depth, new] = f
            new += 1
        tree.left[f] -= 1
        _price_left(kind, f, slots, tree)
    return use


@compiled
def _price_left(kind: int, f: int, slots: int, tree: Tree) -> None:
    """With the count decided on, replicas cost nothing as far as they are left."""
    for m in range(slots):
        tree.cost[kind * slots + m] = 0 if m < tree.left[f] else NEVER


@compiled
def _take_back(code: Codes, least: Ints, j: int, depth: int, tree: Tree) -> None:
    """Undo ``_put``."""
    slots = code.shape[1]
    options = tree.cost.size // (least.size * slots)
    for q in range(slots):
        kind = code[j, q] // slots
        f = kind // options
        tree.left[f] += 1
        _price_left(kind, f, slots, tree)
    for f in tree.opened[depth]:
        if f >= 0:
            tree.counts[f] = 0
            tree.left[f] = 0
            reset_costs(f, least, slots, tree.cost)


@compiled
def _filter(
    code: Codes, load: Ints, limit: int, unused: int, use: int, depth: int, tree: Tree
) -> int:
    """The patterns of this depth that still fit make the next depth's list; how many were looked at."""
    slack = tree.slack[depth] - unused
    spare = tree.spare[depth] - use
    tree.slack[depth + 1] = slack
    tree.spare[depth + 1] = spare
    parent = tree.lists[depth]
    child = tree.lists[depth + 1]
    size = 0
    looked = 0
    # a lighter rank leaves more unused than the ranks from there on may
    floor = limit - slack
    for position in range(tree.size[depth]):
        i = parent[position]
        if load[i] < floor:
            break
        looked += 1
        price = 0
        for q in range(code.shape[1]):
            price += tree.cost[code[i, q]]
        child[size] = i  # kept or overwritten: no branch here
        size += (price <= spare) & (not tree.excluded[i])
    tree.size[depth + 1] = size
    return looked


@compiled
def _count_experts(expert: Codes, depth: int, tree: Tree) -> None:
    """In how many patterns of a depth's list each expert is."""
    tree.tally[:] = 0
    for position in range(tree.size[depth]):
        j = tree.lists[depth, position]
        for q in range(expert.shape[1]):
            f = expert[j, q]
            if f >= 0:
                tree.tally[f] += 1
