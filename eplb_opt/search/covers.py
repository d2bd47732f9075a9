"""Many packings within a limit: ranks covered by contents of which each time another random part is allowed (numba).

A range of counts holds thousands of packings where a rank has few slots, and the time to find one has a heavy tail. So
the search is short and begins anew with other contents: near given counts, or near a packing of which some ranks are
kept. Of a pool with windows the contents that are even in them are allowed more often.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..bounds.pattern_list import list_all
from ..budget import Budget
from ..certificates.rank_model import rank_model
from ..exact.cover import CoverSearch
from ..problem.pool import Floats, Ints, Packing, Pool

Bools = npt.NDArray[np.bool_]

METHOD = "covers"
WIDTH = 1  # by which counts may differ
MOST_PATTERNS = 20_000  # in larger pools other searches find more
TICKS = 100_000  # patterns that one search near counts may look at
KEPT = ((2, 50_000), (4, 50_000))  # ranks of sixteen that are kept, and the ticks
KEPT_OF = 16
# Share of the searches that allow the most even content, and by how much less the least even one.
OFTEN = 1.2
LESS = 0.8
EQUAL = 0.9  # where no windows tell them apart
SCATTER = 1.5  # of the choice which ranks to keep
SCORED = 64  # windows that tell how even a content is, at most
TICKS_PER_WORK = 5  # patterns looked at in the time of one unit of the search's work
OVERHEAD = 20_000  # ticks in the time of beginning one search


class Covers:
    """Packings of a pool within a limit, whose counts differ by at most one from some counts.

    Parameters
    ----------
    pool : Pool
    most : float
        Load of the heaviest rank, of the pool's own loads.
    counts : array [experts], int64

    Attributes
    ----------
    is_empty : bool
        There are no such packings, or too many contents.
    """

    def __init__(self, pool: Pool, most: float, counts: Ints) -> None:
        self.pool = pool
        self.counts = counts
        self.model = rank_model(pool.mix, most, counts, WIDTH)
        listed = None
        if self.model is not None:
            listed = list_all(pool.mix, self.model, MOST_PATTERNS)
        self.is_empty = listed is None or not len(listed[0])
        if self.model is None or listed is None:
            return
        self.types, self.load = listed
        self.experts = self.model.order[self.model.expert[self.types]]
        self.replicas = self.model.count[self.types]
        self.place = self._places()

    def near(self, random: np.random.Generator) -> Packing | None:
        """A packing of a random part of the contents, if one is found soon."""
        if self.is_empty:
            return None
        return self._searched(self._allowed(random), np.empty(0, np.int64), TICKS)

    def beside(
        self, rows: Ints, random: np.random.Generator, kept: int, ticks: int
    ) -> Packing | None:
        """The same with some of a packing's ranks kept, whose contents are these; one of the others is not allowed."""
        order = np.argsort(self.place[rows] + random.random(len(rows)) * SCATTER)
        allowed = self._allowed(random)
        allowed[rows[order[-1]]] = False
        chosen = rows[order[:kept]]
        allowed[chosen] = True
        return self._searched(allowed, chosen, ticks)

    def _searched(self, allowed: Bools, chosen: Ints, ticks: int) -> Packing | None:
        """What one search finds with the allowed contents, some of them chosen already."""
        if self.model is None or self.is_empty:
            return None
        part = np.flatnonzero(allowed)
        search = CoverSearch(
            self.pool.mix, self.model, self.types[part], self.load[part]
        )
        if len(chosen):
            search.keep(np.searchsorted(part, chosen))
        return search.run(Budget(work=ticks)).packing

    def _allowed(self, random: np.random.Generator) -> Bools:
        """Which contents a search may use."""
        often = EQUAL if self.pool.is_plain else OFTEN - LESS * self.place
        drawn = random.random(len(self.load))
        return np.asarray(drawn < often)

    def _places(self) -> Floats:
        """Each content's place among all, from 0 for the most even one to 1."""
        if self.pool.windows is None or not len(self.load):
            return np.zeros(len(self.load))
        windows = self.pool.windows
        number = len(windows.shares)
        chosen = np.unique(np.linspace(0, number - 1, SCORED).astype(np.int64))
        times = np.zeros((len(chosen), len(self.load)))
        for slot in range(self.pool.slots_per_rank):
            loads = windows.loads[np.ix_(chosen, self.experts[:, slot])]
            times += loads / self.replicas[:, slot]
        excess = windows.shares[chosen] @ np.maximum(times - 1, 0) ** 2
        place = np.empty(len(excess))
        place[np.argsort(excess, kind="stable")] = np.arange(len(excess))
        return place / len(excess)

    def rows_of(self, packing: Packing) -> Ints | None:
        """The contents of a packing's ranks, [ranks]; None if one is not among them."""
        if self.is_empty:
            return None
        held = np.sort(self.experts, axis=1)
        has_counts = (self.replicas == self.counts[self.experts]).all(axis=1)
        rows = []
        for content in np.sort(packing.experts, axis=1):
            same = np.flatnonzero((held == content).all(axis=1) & has_counts)
            if not len(same):
                return None
            rows.append(same[0])
        return np.array(rows)


def least_cover(
    pool: Pool,
    start: Packing,
    counts: Ints,
    *,
    most: float,
    searches: int,
    seed: int,
    is_over: Callable[[], bool],
) -> Packing:
    """Of packings within a limit that some searches find, the one with the least objective over the pool's windows.

    Searches near the counts and beside the best packing take turns.

    Parameters
    ----------
    pool : Pool
        With windows.
    start : Packing
        Within the limit.
    counts : array [experts], int64
        Such as the greedy's.
    most : float
        Load of the heaviest rank, of the pool's own loads.
    searches, seed : int
    is_over : callable
        Whether to end with what is found; asked before each search.

    Returns
    -------
    Packing
        ``start`` if none is better.
    """
    random = np.random.default_rng(seed)
    best = start
    least = start.objective(pool)
    by_counts = Covers(pool, most, counts)
    by_best = Covers(pool, most, best.counts(pool))
    rows = by_best.rows_of(best)
    if rows is None:
        return start  # too many contents
    for number in range(searches):
        if is_over():
            break
        if number % 2 == 0:
            found = by_counts.near(random)
        else:
            kept, ticks = KEPT[number // 2 % len(KEPT)]
            kept = kept * pool.ranks // KEPT_OF
            found = by_best.beside(rows, random, kept, ticks)
        if found is None or found.objective(pool.mix) > most:
            continue
        value = found.objective(pool)
        if value < least:
            best = found
            least = value
            by_best = Covers(pool, most, best.counts(pool))
            rows = by_best.rows_of(best)
            if rows is None:
                break
    return best


def search_covers(
    pool: Pool, start: Packing, *, target: float, budget: Budget, seed: int = 0
) -> Packing:
    """A packing within the target, with counts near given ones, or the start.

    Parameters
    ----------
    pool : Pool
        Plain.
    start : Packing
        Whose counts are a good choice, such as the greedy's.
    target : float
        Load of the heaviest rank, > 0, in routed tokens.
    budget : Budget
        With a clock, or with work: patterns looked at.
    seed : int

    Returns
    -------
    Packing
    """
    covers = Covers(pool, target, start.counts(pool))
    random = np.random.default_rng(seed)
    while not covers.is_empty and budget.stop() is None:
        found = covers.near(random)
        if found is not None and found.objective(pool) <= target:
            return found
        budget.spend(TICKS + OVERHEAD)
    return start


def compile_kernels() -> None:
    """Compile (or load from the cache) what covers call."""
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    start = Packing(np.arange(12).reshape(4, 3) % 8)
    covers = Covers(pool, start.objective(pool), start.counts(pool))
    rows = covers.rows_of(start)
    if rows is not None:
        covers.beside(rows, np.random.default_rng(0), 2, 1000)
