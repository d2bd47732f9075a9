"""The threshold model of pools with two slots a rank: counts only, no ranks (``models/README.md``, X2-X4).

At a limit T, choose one column (expert, count) for every expert. A replica above T / 2 is *heavy*; every heavy
replica needs its own companion that fits. With the distinct heavy loads v_1 > v_2 > ..., that is a chain of stocks:
``stock_i = stock_(i-1) + #(replicas first light enough at v_i) - #(replicas of load v_i) >= 0``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..certificates.cuts import THRESHOLD, Cut, CutCertificate
from ..certificates.sums import MARGIN
from ..errors import SolverError
from ..highs import new_highs, run_highs
from ..native import in_own_thread
from ..problem.pool import Floats, Ints, Pool
from ..problem.status import StopReason

Bools = npt.NDArray[np.bool_]


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
        """Only these columns."""
        return Columns(
            self.limit, self.expert[which], self.count[which], self.value[which], self.level[which],
            self.role[which], self.levels, self.alone,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answer:
    """What a solver run said: ``counts`` [experts] found; ``proven``: there are none; else why it stopped.

    ``work`` is what the run cost, in units of `Limits.work`.
    """

    counts: Ints | None
    proven: bool
    work: float
    stop: StopReason = StopReason.GAP


def least_counts(pool: Pool, limit: float) -> Ints:
    """The fewest replicas of each expert that stay within the limit, as floats compare, [experts].

    Callers give a limit > 0 that is not below ``max load / slots``.
    """
    counts = np.maximum(1, np.floor(pool.loads / limit).astype(np.int64))
    for _ in range(2):
        counts += pool.loads / counts > limit
    return counts


def columns(pool: Pool, limit: float) -> Columns | None:
    """All columns of the model at a limit; None if the fewest replicas within it are already too many."""
    limit *= 1 + MARGIN
    least = least_counts(pool, limit)
    spare = pool.slots - int(least.sum())
    if spare < 0:
        return None
    expert = np.repeat(np.arange(pool.num_experts), spare + 1)
    count = (least[:, None] + np.arange(spare + 1)).ravel()
    value = pool.loads[expert] / count
    heavy = value > limit / 2
    level, levels = _levels(value, heavy, limit)
    role = np.where(level > 0, np.where(heavy, -count, count), 0)
    useful = ~(heavy & (level == 0))  # no replica fits beside it
    alone = float(value[~useful].min(initial=np.inf))
    if pool.distinct:
        useful &= count <= pool.max_count
    else:  # counts without a role differ only in the slots that they take
        idle = np.flatnonzero(useful & ~heavy & (level == 0))
        _, first = np.unique(expert[idle], return_index=True)
        useful[idle] = False
        useful[idle[first]] = True
    if np.bincount(expert[useful], minlength=pool.num_experts).min() == 0:
        return None
    return Columns(limit, expert, count, value, level, role, levels, alone).keep(useful)


def _levels(value: Floats, heavy: Bools, limit: float) -> tuple[Ints, int]:
    """Level of each column and the number of levels; heavy loads between two arrivals of light ones share a level."""
    loads = np.unique(value[heavy])[::-1]
    if loads.size == 0:
        return np.zeros(value.size, np.int64), 0
    link = np.where(heavy, np.searchsorted(-loads, -value), np.searchsorted(limit - loads, value))
    arrives = np.zeros(loads.size + 1, np.int64)
    arrives[link[~heavy]] = 1
    arrives[loads.size] = 0
    level = np.append(np.cumsum(arrives[:-1]), 0)
    return level[link], int(level.max())


def slot_bound(pool: Pool, cols: Columns, duals: Floats) -> tuple[float, Floats]:
    """Fewest slots that the columns need, bounded from below with any chain duals (X4).

    Parameters
    ----------
    duals : array [levels], made nonnegative and nonincreasing here, which any multipliers of the chain's rows are.

    Returns
    -------
    bound : float
    with_column : array [columns]
        The bound if that column is chosen. Both are lowered by more than the rounding error.
    """
    price = _prices(duals)
    cost = cols.count - cols.role * price[cols.level]
    cheapest = np.full(pool.num_experts, np.inf)
    np.minimum.at(cheapest, cols.expert, cost)
    error = 1e-12 * (float(np.abs(cost).max()) + 1) * pool.num_experts
    bound = float(cheapest.sum()) - error
    return bound, bound + cost - cheapest[cols.expert] - error


def _prices(duals: Floats) -> Floats:
    """Nonnegative, nonincreasing prices of the levels, [levels + 1]; index 0 is no level."""
    return np.concatenate([[0.0], np.maximum.accumulate(np.maximum(duals, 0)[::-1])[::-1]])


def chain_certificate(pool: Pool, cols: Columns, duals: Floats, limit: float) -> CutCertificate:
    """The chain's duals as threshold cuts with n = 1 and u = T - v (L1.2): a link's multiplier is its price's fall.

    Columns that are left out because nothing fits beside them are priced above all slots by a cut of their own.
    """
    price = np.append(_prices(duals), 0.0)
    heavy = cols.role < 0
    multipliers = {}
    for level in np.flatnonzero(price[1:-1] > price[2:]) + 1:
        taken = cols.value[heavy & (cols.level == level)]
        if taken.size:
            multipliers[_below(taken.min())] = float(price[level] - price[level + 1])
    if math.isfinite(cols.alone):
        multipliers[_below(cols.alone)] = 2.0 * pool.slots * (1 + float(price.max()))
    least = limit * MARGIN**2  # a replica load > T leaves no room at all: any level below all loads says so
    cuts = (Cut(THRESHOLD, v, max(math.nextafter(limit - v, math.inf), least), x) for v, x in multipliers.items())
    return CutCertificate(limit, tuple(cuts), 1.0)


def lonely_certificate(pool: Pool, limit: float) -> CutCertificate:
    """The certificate where `columns` has none for some expert: beside its replicas not even the lightest fits."""
    least = least_counts(pool, limit)
    lightest = float((pool.loads / np.minimum(least + pool.slots - least.sum(), pool.max_count)).min())
    v = math.nextafter(limit - lightest, math.inf)
    u = max(math.nextafter(limit - v, math.inf), limit * MARGIN**2)
    return CutCertificate(limit, (Cut(THRESHOLD, v, u, 2.0 * pool.slots),), 1.0)


def _below(load: float) -> float:
    """A level that a replica's exact load reaches, whichever way its quotient was rounded."""
    return math.nextafter(float(load), 0.0)


def relaxation(pool: Pool, cols: Columns, seconds: float) -> Floats:
    """Chain duals [levels] of the linear relaxation that minimises slots (zeros if the solver fails)."""
    model = _highs(pool, cols)
    run_highs(model, seconds)
    duals = np.array(model.getSolution().row_dual)
    return duals[pool.num_experts + 1 :] if duals.size == pool.num_experts + 1 + cols.levels else np.zeros(cols.levels)


def integer_counts(
    pool: Pool, cols: Columns, extra: list[tuple[Bools, int]], seconds: float, work: float, seed: int, near: Ints
) -> Answer:
    """Counts that satisfy the model, by CP-SAT: all data are integers, so a claim of infeasibility needs no tolerance.

    Parameters
    ----------
    extra : list of (columns in the row [columns], upper bound)
        Further rows ``sum of counts over the columns <= bound``.
    seconds, work : limits of the search; work in units of CP-SAT's deterministic time.
    near : array [experts], int64
        Counts of a good packing, where the search starts (a hint).

    Raises
    ------
    SolverError
        The solver returned a point that does not choose one count for every expert.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    chosen = [model.new_bool_var("") for _ in cols.expert]
    for variable, hint in zip(chosen, (cols.count == near[cols.expert]).tolist(), strict=True):
        model.add_hint(variable, hint)
    for e in range(pool.num_experts):
        model.add_exactly_one(chosen[j] for j in np.flatnonzero(cols.expert == e))
    slots = cp_model.LinearExpr.weighted_sum(chosen, cols.count.tolist())
    model.add(slots == pool.slots if pool.distinct else slots <= pool.slots)
    stock = model.new_constant(0)
    for level in range(1, cols.levels + 1):
        linked = np.flatnonzero(cols.level == level)
        moved = cp_model.LinearExpr.weighted_sum([chosen[j] for j in linked], cols.role[linked].tolist())
        following = model.new_int_var(0, pool.slots, "")
        model.add(following == stock + moved)
        stock = following
    for which, bound in extra:
        inside = np.flatnonzero(which)
        model.add(cp_model.LinearExpr.weighted_sum([chosen[j] for j in inside], cols.count[inside].tolist()) <= bound)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.linearization_level = 2
    solver.parameters.random_seed = seed
    solver.parameters.max_time_in_seconds = max(seconds, 1e-2)
    solver.parameters.max_deterministic_time = max(work, 1e-3)
    solver.parameters.catch_sigint_signal = False  # the process's handlers are the caller's
    status = in_own_thread(lambda: solver.solve(model), solver.stop_search)
    spent = solver.response_proto.deterministic_time  # older versions have it nowhere else
    if status == cp_model.INFEASIBLE:
        return Answer(None, True, spent)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        stop = StopReason.TIME if spent < work * 0.99 else StopReason.WORK
        return Answer(None, False, spent, stop)
    picked = np.flatnonzero([solver.boolean_value(variable) for variable in chosen])
    if not np.array_equal(cols.expert[picked], np.arange(pool.num_experts)):
        raise SolverError("CP-SAT returned a point that does not choose one count for every expert")
    return Answer(cols.count[picked].copy(), False, spent)


def _highs(pool: Pool, cols: Columns) -> Any:
    """The linear relaxation in HiGHS: experts' rows, slots row, chain.

    Variables: columns, then stocks 0..levels; stock 0, which the model lacks, is dear, so that there is always a
    solution.
    """
    import highspy

    inf = highspy.kHighsInf
    size, levels, experts = cols.expert.size, cols.levels, pool.num_experts
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = size + levels + 1, experts + 1 + levels
    lp.col_cost_ = np.concatenate([cols.count, [10.0 * pool.slots], np.zeros(levels)]).astype(np.float64)
    lp.col_lower_ = np.zeros(size + levels + 1)
    lp.col_upper_ = np.concatenate([np.ones(size), np.full(levels + 1, inf)])
    lp.row_lower_ = np.concatenate([np.ones(experts), [-inf], np.zeros(levels)])
    lp.row_upper_ = np.concatenate([np.ones(experts), [inf], np.zeros(levels)])
    start, index, value = _matrix(pool, cols)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = start, index, value
    model = new_highs()
    model.passModel(lp)
    return model


def _matrix(pool: Pool, cols: Columns) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Floats]:
    """Constraint matrix by columns: starts, row indices, values."""
    size, levels, experts = cols.expert.size, cols.levels, pool.num_experts
    every, linked, chain = np.arange(size), np.flatnonzero(cols.level), np.arange(levels)
    parts = [
        (every, cols.expert, np.ones(size)),
        (every, np.full(size, experts), cols.count),
        (linked, experts + cols.level[linked], cols.role[linked]),
        (size + chain, experts + 1 + chain, np.ones(levels)),  # stock i - 1 enters link i, stock i leaves it
        (size + 1 + chain, experts + 1 + chain, -np.ones(levels)),
    ]
    column = np.concatenate([p[0] for p in parts])
    order = np.argsort(column, kind="stable")
    start = np.searchsorted(column[order], np.arange(size + levels + 2)).astype(np.int32)
    index = np.concatenate([p[1] for p in parts])[order].astype(np.int32)
    return start, index, np.concatenate([p[2] for p in parts])[order].astype(np.float64)
