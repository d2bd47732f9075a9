"""The linear program of L2 by column generation: patterns enter where a smoothed price says that they are missing.

The program has slack in every link, so that it always has a solution, and its multipliers are a Farkas proof where the
slack cannot vanish (models/README.md, L2.3). Every round prices all listed patterns at once, by multipliers between the
best so far and the program's own (Wentges' smoothing), adds several of them, and asks whether these multipliers prove
the target already: most proofs are found long before the program is solved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from ..certificates.rank_model import Model
from ..highs import new_highs, run_highs
from ..problem.pool import Floats, Ints, Pool

NOISE = 1e-6  # infeasibility of the linear program, and reduced costs, that do not count
SMOOTH = 0.5  # share of the best multipliers so far in those that price patterns
AT_ONCE = 64  # patterns added in a round
START = 4  # patterns a type in the first program
MOST_ROUNDS = 1000


def multipliers(
    pool: Pool, model: Model, patterns: Ints, surplus: Callable[[Floats], float], deadline: float
) -> Floats | None:
    """Multipliers [types], from -1 to 1, that prove the target; None: there are none, or the time is over.

    Parameters
    ----------
    patterns : int array [patterns, slots a rank]
        The types of every rank content, all of them.
    surplus : function of multipliers
        Positive if they prove the target, exactly; the more the better.
    deadline : float
        Of `time.perf_counter`.
    """
    master = _Master(pool, model)
    master.add(patterns[:: max(1, len(patterns) // (START * model.item.size))])
    best, best_surplus = np.zeros(model.item.size), -np.inf
    for _ in range(MOST_ROUNDS):
        solved = master.solve(deadline - time.perf_counter())
        if solved is None or solved[0] <= NOISE:
            return None
        _, own, slot = solved
        missing = own[patterns].sum(axis=1) + slot
        smooth = SMOOTH * best + (1 - SMOOTH) * own if np.isfinite(best_surplus) else own
        for prices in (smooth, own):
            found = surplus(prices)
            if found > 0:
                return prices
            if found > best_surplus:
                best, best_surplus = prices, found
            chosen = _most(prices[patterns].sum(axis=1), missing)
            if len(chosen):
                break
        else:
            return None  # the program is solved and its multipliers, rounded, prove nothing
        master.add(patterns[chosen])
    return None


def mean_counts(
    pool: Pool, model: Model, patterns: Ints, rng: np.random.Generator, seconds: float = math.inf
) -> Floats | None:
    """Mean count of each expert, [experts], in a solution of the program; None: there is none, or the time is over.

    The first patterns are drawn at random, so that solutions differ from call to call.
    """
    master, deadline = _Master(pool, model), time.perf_counter() + seconds
    master.add(patterns[rng.permutation(len(patterns))[: START * model.item.size]])
    for _ in range(MOST_ROUNDS):
        solved = master.solve(deadline - time.perf_counter())
        if solved is None:
            return None
        violation, own, slot = solved
        if violation <= NOISE:
            mean = np.bincount(model.expert, master.shares() * model.count, minlength=pool.num_experts)
            return np.asarray(mean[np.argsort(model.order)])
        worth = own[patterns].sum(axis=1)
        chosen = _most(worth, worth + slot)
        if not len(chosen):
            return None
        master.add(patterns[chosen])
    return None


def _most(worth: Floats, missing: Floats) -> Ints:
    """Patterns that improve the program, those worth most first."""
    improving = np.flatnonzero(missing > NOISE)
    if len(improving) > AT_ONCE:
        improving = improving[np.argpartition(-worth[improving], AT_ONCE)[:AT_ONCE]]
    return improving


class _Master:
    """Minimise sum (over + under) over the patterns added so far.

    Subject to ``sum_p a_tp x_p + over_t - under_t = k_t y_t`` for every type t, one count an expert, and ``slots``
    replicas on all ranks.
    """

    def __init__(self, pool: Pool, model: Model) -> None:
        import highspy

        kinds, experts = model.item.size, pool.num_experts
        self.infinity = highspy.kHighsInf
        self.kinds = kinds
        self.last = kinds + experts
        self.each = float(pool.slots_per_rank)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = 3 * kinds, kinds + experts + 1
        lp.col_cost_ = np.concatenate([np.zeros(kinds), np.ones(2 * kinds)])
        lp.col_lower_, lp.col_upper_ = np.zeros(3 * kinds), np.full(3 * kinds, highspy.kHighsInf)
        lp.row_lower_ = lp.row_upper_ = np.concatenate([np.zeros(kinds), np.ones(experts), [float(pool.slots)]])
        rows = np.arange(kinds)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = np.concatenate([2 * rows, 2 * kinds + np.arange(2 * kinds + 1)]).astype(np.int32)
        counts = np.stack([rows, kinds + model.expert], axis=1).ravel()
        lp.a_matrix_.index_ = np.concatenate([counts, rows, rows]).astype(np.int32)
        values = np.stack([-model.count.astype(np.float64), np.ones(kinds)], axis=1).ravel()
        lp.a_matrix_.value_ = np.concatenate([values, np.ones(kinds), -np.ones(kinds)])
        self.solver = new_highs(presolve="off")
        self.solver.passModel(lp)

    def add(self, types: Ints) -> None:
        """Patterns [patterns, slots a rank] as columns."""
        ordered = np.sort(types, axis=1)
        first = np.concatenate([np.ones((len(types), 1), dtype=np.bool_), ordered[:, 1:] != ordered[:, :-1]], axis=1)
        entries = first.sum(axis=1) + 1  # the last one counts slots
        starts = np.concatenate([[0], np.cumsum(entries)])
        index = np.full(starts[-1], self.last, dtype=np.int32)
        value = np.full(starts[-1], self.each)
        rest = np.ones(starts[-1], dtype=np.bool_)
        rest[starts[1:] - 1] = False
        index[rest] = ordered[first]
        value[rest] = np.diff(np.append(np.flatnonzero(first.ravel()), first.size))
        none = np.zeros(len(types))
        self.solver.addCols(
            len(types), none, none, np.full(len(types), self.infinity), len(index), starts[:-1].astype(np.int32),
            index, value,
        )  # fmt: skip

    def solve(self, seconds: float) -> tuple[float, Floats, float] | None:
        """Violation, multipliers [types], and what the slots of one pattern are worth; None if it was stopped."""
        solver = self.solver
        if not run_highs(solver, seconds):
            return None
        dual = np.array(solver.getSolution().row_dual)
        return solver.getInfo().objective_function_value, dual[: self.kinds], float(dual[-1] * self.each)

    def shares(self) -> Floats:
        """By how much each type's count is chosen in the last solution, [types]; an expert's add up to 1."""
        return np.array(self.solver.getSolution().col_value)[: self.kinds]
