"""The threshold model of pools with two slots a rank: counts only, no ranks (``models/README.md``, X2-X4).

At a limit T, choose one column (expert, count) for every expert. A replica above T / 2 is *heavy*; every heavy
replica needs its own companion that fits. With the distinct heavy loads v_1 > v_2 > ..., that is a chain of stocks:
``stock_i = stock_(i-1) + #(replicas first light enough at v_i) - #(replicas of load v_i) >= 0``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..certificates.cuts import THRESHOLD, Cut, CutCertificate
from ..checker.pool import MARGIN
from ..problem.pool import Floats, Ints, Pool

Bools = npt.NDArray[np.bool_]

SUM_ERROR = 1e-12  # relative, of a term and an expert: more than what float sums of the slot bound can be off by
DEAR = 2.0  # all slots, times this, are more than any counts cost


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of the model at one limit; arrays [columns].

    Parameters
    ----------
    limit : float
        The limit, raised by ``MARGIN``: a + b <= T in exact numbers implies that the floats fit.
    expert, count : int64
        Expert, and its number of replicas.
    value : float64
        Load of each replica.
    level : int64
        Link of the chain, 1..levels, to which the column contributes; 0: none.
    role : int64
        Replicas put into the stock (+count), taken from it (-count), or neither (0).
    levels : int
    alone : float
        Least heavy load beside which no replica fits, infinite if there is none; such columns are left out.
    """

    limit: float
    expert: Ints
    count: Ints
    value: Floats
    level: Ints
    role: Ints
    levels: int
    alone: float

    def keep(self, which: Bools) -> Columns:
        """Only some columns.

        Parameters
        ----------
        which : array [columns], bool

        Returns
        -------
        Columns
            With the same limit and levels.
        """
        return replace(
            self,
            expert=self.expert[which],
            count=self.count[which],
            value=self.value[which],
            level=self.level[which],
            role=self.role[which],
        )


def least_counts(pool: Pool, limit: float) -> Ints:
    """The fewest replicas of each expert that stay within a limit, as floats compare.

    Parameters
    ----------
    pool : Pool
    limit : float
        > 0, and not below ``max load / slots``.

    Returns
    -------
    array [experts], int64
    """
    whole = np.floor(pool.loads / limit)
    counts = np.maximum(1, whole.astype(np.int64))
    # the quotient may be rounded up to an integer, so one more may be needed, and then another
    for _ in range(2):
        counts += pool.loads / counts > limit
    return counts


def columns(pool: Pool, limit: float) -> Columns | None:
    """All columns of the model at a limit (X4).

    Parameters
    ----------
    pool : Pool
    limit : float
        T, in units of load, > 0.

    Returns
    -------
    Columns or None
        None: the fewest replicas within the limit are already too many, or some expert has no column.
    """
    limit *= 1 + MARGIN
    least = least_counts(pool, limit)
    spare = pool.slots - int(least.sum())
    if spare < 0:
        return None
    every = _every_column(pool, limit, least, spare)
    useful = _useful(pool, every)
    choices = np.bincount(every.expert[useful], minlength=pool.num_experts)
    return every.keep(useful) if choices.min() > 0 else None


def _every_column(pool: Pool, limit: float, least: Ints, spare: int) -> Columns:
    """All counts of all experts that the slots leave room for, those that are of no use too."""
    expert = np.repeat(np.arange(pool.num_experts), spare + 1)
    count = (least[:, None] + np.arange(spare + 1)).ravel()
    value = pool.loads[expert] / count
    heavy = value > limit / 2
    level, levels = levels_of(value, heavy, limit)
    moved = np.where(heavy, -count, count)
    role = np.where(level > 0, moved, 0)
    lonely_loads = value[heavy & (level == 0)]  # no replica fits beside it
    alone = float(lonely_loads.min(initial=np.inf))
    return Columns(
        limit,
        expert,
        count,
        value,
        level,
        role,
        levels,
        alone,
    )


def _useful(pool: Pool, every: Columns) -> Bools:
    """Which columns a packing may need."""
    heavy = every.value > every.limit / 2
    has_no_level = every.level == 0
    useful: Bools = ~(heavy & has_no_level)
    if pool.distinct:
        useful &= every.count <= pool.max_count
    else:
        _keep_one_idle(useful, ~heavy & has_no_level, every.expert)
    return useful


def _keep_one_idle(useful: Bools, idle: Bools, expert: Ints) -> None:
    """Of each expert's columns without a role, which differ only in the slots they take, keep the first: the fewest."""
    places = np.flatnonzero(idle)
    _, first = np.unique(expert[places], return_index=True)
    useful[places] = False
    useful[places[first]] = True


def levels_of(value: Floats, heavy: Bools, limit: float) -> tuple[Ints, int]:
    """Level of each column and the number of levels; heavy loads between two arrivals of light ones share a level.

    Parameters
    ----------
    value : array [columns], float64
        Load of each replica.
    heavy : array [columns], bool
    limit : float
    """
    heavy_loads = np.unique(value[heavy])[::-1]  # v_1 > v_2 > ...
    links = heavy_loads.size
    if links == 0:
        return np.zeros(value.size, np.int64), 0
    # the link of a heavy column is that of its load; of a light one the first at which it fits, ``links`` if none
    link_of_heavy = np.searchsorted(-heavy_loads, -value)
    link_of_light = np.searchsorted(limit - heavy_loads, value)
    link = np.where(heavy, link_of_heavy, link_of_light)
    arrives = np.zeros(links + 1, np.int64)
    arrives[link[~heavy]] = 1
    arrives[links] = 0
    level = np.append(np.cumsum(arrives[:-1]), 0)
    return level[link], int(level.max())


def slot_bound(pool: Pool, cols: Columns, duals: Floats) -> tuple[float, Floats]:
    """Fewest slots that the columns need, bounded from below with any chain duals (X4).

    Parameters
    ----------
    pool : Pool
    cols : Columns
    duals : array [levels], float64
        Made nonnegative and nonincreasing here, which any multipliers of the chain's rows are.

    Returns
    -------
    bound : float
        In slots.
    with_column : array [columns], float64
        The bound if that column is chosen. Both are lowered by more than the rounding error.
    """
    price = prices_of(duals)
    cost = cols.count - cols.role * price[cols.level]
    cheapest = np.full(pool.num_experts, np.inf)
    np.minimum.at(cheapest, cols.expert, cost)
    largest = float(np.abs(cost).max()) + 1
    error = SUM_ERROR * largest * pool.num_experts
    bound = float(cheapest.sum()) - error
    with_column = bound + cost - cheapest[cols.expert] - error
    return bound, with_column


def prices_of(duals: Floats) -> Floats:
    """Nonnegative, nonincreasing prices of the levels from their duals, [levels + 1]; index 0 is no level."""
    nonnegative = np.maximum(duals, 0)
    # the largest from each level on
    nonincreasing = np.maximum.accumulate(nonnegative[::-1])[::-1]
    return np.concatenate([[0.0], nonincreasing])


def chain_certificate(
    pool: Pool, cols: Columns, duals: Floats, limit: float
) -> CutCertificate:
    """The chain's duals as threshold cuts with n = 1 and u = T - v (L1.2, X4).

    A link's multiplier is its price's fall. Columns that are left out because nothing fits beside them are priced above
    all slots by a cut of their own.

    Parameters
    ----------
    pool : Pool
    cols : Columns
        All of them, at the limit.
    duals : array [levels], float64
    limit : float
        T, in units of load; the certificate's target.

    Returns
    -------
    CutCertificate
        Not checked yet.
    """
    price = np.append(prices_of(duals), 0.0)
    multipliers = _falls(cols, price)
    if math.isfinite(cols.alone):
        highest = 1 + float(price.max())
        multipliers[below(cols.alone)] = DEAR * pool.slots * highest
    cuts = tuple(
        _chain_cut(limit, v, multiplier) for v, multiplier in multipliers.items()
    )
    return CutCertificate(limit, cuts, 1.0)


def _falls(cols: Columns, price: Floats) -> dict[float, float]:
    """By how much the price falls behind each link that takes replicas, by the level v of its cut."""
    heavy = cols.role < 0
    falls = {}
    for level in np.flatnonzero(price[1:-1] > price[2:]) + 1:
        taken = cols.value[heavy & (cols.level == level)]
        if taken.size:
            falls[below(taken.min())] = float(price[level] - price[level + 1])
    return falls


def lonely_certificate(pool: Pool, limit: float) -> CutCertificate:
    """The certificate where `columns` has none for some expert: beside its replicas not even the lightest fits (X4).

    Parameters
    ----------
    pool : Pool
    limit : float
        T, in units of load.

    Returns
    -------
    CutCertificate
        Not checked yet.
    """
    least = least_counts(pool, limit)
    spare = pool.slots - least.sum()
    most = np.minimum(least + spare, pool.max_count)
    lightest = float((pool.loads / most).min())
    v = math.nextafter(limit - lightest, math.inf)
    return CutCertificate(limit, (_chain_cut(limit, v, DEAR * pool.slots),), 1.0)


def _chain_cut(limit: float, v: float, multiplier: float) -> Cut:
    """The threshold cut with n = 1 and u just above T - v, so that no rounding lets a companion be forgotten."""
    # a replica load > T leaves no room at all: any level below all loads says so
    least = limit * MARGIN**2
    u = max(math.nextafter(limit - v, math.inf), least)
    return Cut(THRESHOLD, v, u, multiplier)


def below(load: float) -> float:
    """A level that a replica's exact load reaches, whichever way its quotient was rounded."""
    return math.nextafter(float(load), 0.0)
