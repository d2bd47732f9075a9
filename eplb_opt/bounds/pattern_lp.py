"""The linear program of L2 by column generation: patterns enter where a smoothed price says that they are missing.

The program has slack in every link, so that it always has a solution, and its multipliers are a Farkas proof where the
slack cannot vanish (models/README.md, L2.3). Every round prices all listed patterns at once, by multipliers between the
best so far and the program's own (Wentges' smoothing), adds several of them, and asks whether these multipliers prove
the target already: most proofs are found long before the program is solved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..budget import Budget
from ..certificates.rank_model import Model
from ..errors import SolverError
from ..highs import go_on_without, new_highs, run_highs
from ..problem.pool import Floats, Ints, Pool
from .links import links_of

# Infeasibility of the linear program, and reduced costs, that do not count.
NOISE = 1e-6
SMOOTH = 0.5  # share of the best multipliers so far in those that price patterns
AT_ONCE = 64  # patterns added in a round
START = 4  # patterns a type in the first program
MOST_ROUNDS = 1000


def multipliers(
    pool: Pool,
    model: Model,
    patterns: Ints,
    surplus: Callable[[Floats], float],
    budget: Budget,
) -> Floats | None:
    """Multipliers that prove a target (L2.3).

    Parameters
    ----------
    pool : Pool
    model : Model
        The pool at the target.
    patterns : array [patterns, slots a rank], int64
        The types of every rank content, all of them.
    surplus : callable
        Of multipliers [types], float64. Positive if they prove the target, exactly; the more the better.
    budget : Budget
        Its clock.

    Returns
    -------
    array [types], float64, or None
        From -1 to 1. None: there are none, or the time is over.

    Raises
    ------
    SolverError
        HiGHS failed.
    """
    program = _PatternProgram(pool, model)
    spacing = max(1, len(patterns) // (START * model.item.size))
    program.add(patterns[::spacing])
    best = _Best(surplus)
    for _ in range(MOST_ROUNDS):
        solution = program.solve(budget.seconds())
        if solution is None:
            return None
        violation, own, slot = solution
        if violation <= NOISE:
            return None
        missing = own[patterns].sum(axis=1) + slot
        for prices in (best.smoothed(own), own):
            if best.proves(prices):
                return prices
            chosen = _most(prices[patterns].sum(axis=1), missing)
            if len(chosen):
                break
        else:
            return None  # the program is solved and its multipliers, rounded, prove nothing
        program.add(patterns[chosen])
    return None


class _Best:
    """The multipliers [types] with the largest surplus so far."""

    def __init__(self, surplus: Callable[[Floats], float]) -> None:
        self.surplus = surplus
        self.prices: Floats | None = None
        self.largest = -np.inf

    def smoothed(self, own: Floats) -> Floats:
        """The program's multipliers, drawn towards the best ones."""
        if self.prices is None:
            return own
        return SMOOTH * self.prices + (1 - SMOOTH) * own

    def proves(self, prices: Floats) -> bool:
        """Whether multipliers prove the target; if not, they may be the best so far."""
        proven = self.surplus(prices)
        if proven <= 0 and proven > self.largest:
            self.prices = prices
            self.largest = proven
        return proven > 0


def mean_counts(
    pool: Pool,
    model: Model,
    patterns: Ints,
    rng: np.random.Generator,
    budget: Budget | None = None,
) -> Floats | None:
    """Mean count of each expert in a solution of the program.

    The first patterns are drawn at random, so that solutions differ from call to call.

    Parameters
    ----------
    pool : Pool
    model : Model
        The pool at a target.
    patterns : array [patterns, slots a rank], int64
        The types of every rank content, all of them.
    rng : numpy.random.Generator
        Draws the first patterns.
    budget : Budget, optional
        Its clock. Default: no limit.

    Returns
    -------
    array [experts], float64, or None
        None: there is no solution, or the time is over.

    Raises
    ------
    SolverError
        HiGHS failed, outside of `highs.collected_failures`; inside, the answer is None.
    """
    budget = budget or Budget()
    program = _PatternProgram(pool, model)
    drawn = rng.permutation(len(patterns))[: START * model.item.size]
    program.add(patterns[drawn])
    try:
        is_solved = _solve_fully(program, patterns, budget)
    except SolverError as error:
        go_on_without(error)
        return None
    return _means(pool, model, program.shares()) if is_solved else None


def _means(pool: Pool, model: Model, shares: Floats) -> Floats:
    """Mean count of each expert [experts], from the shares of its counts [types]."""
    replicas = shares * model.count
    mean = np.bincount(model.expert, replicas, minlength=pool.num_experts)
    by_expert = np.argsort(model.order)
    return np.asarray(mean[by_expert])


def _solve_fully(program: _PatternProgram, patterns: Ints, budget: Budget) -> bool:
    """Add patterns until nothing is violated; False: that is impossible, or the time is over."""
    for _ in range(MOST_ROUNDS):
        solution = program.solve(budget.seconds())
        if solution is None:
            return False
        violation, own, slot = solution
        if violation <= NOISE:
            return True
        worth = own[patterns].sum(axis=1)
        chosen = _most(worth, worth + slot)
        if not len(chosen):
            return False
        program.add(patterns[chosen])
    return False


def _most(worth: Floats, missing: Floats) -> Ints:
    """Patterns that improve the program, those worth most first."""
    improving = np.flatnonzero(missing > NOISE)
    if len(improving) > AT_ONCE:
        largest = np.argpartition(-worth[improving], AT_ONCE)[:AT_ONCE]
        improving = improving[largest]
    return improving


class _PatternProgram:
    """Minimise sum (over + under) over the patterns added so far.

    Subject to ``sum_p a_tp x_p + over_t - under_t = k_t y_t`` for every type t, one count an expert, and ``slots``
    replicas on all ranks. Columns: y [types], over [types], under [types], then the patterns. Rows: types, experts,
    slots.
    """

    def __init__(self, pool: Pool, model: Model) -> None:
        import highspy

        self.infinity = highspy.kHighsInf
        self.types = model.item.size
        self.slots_row = self.types + pool.num_experts
        self.slots_per_rank = float(pool.slots_per_rank)
        self.solver = new_highs(presolve="off")
        sides = np.append(np.ones(pool.num_experts), float(pool.slots))
        self.solver.passModel(links_of(model, 1.0, sides))

    def add(self, patterns: Ints) -> None:
        """Append columns.

        Parameters
        ----------
        patterns : array [new, slots a rank], int64
            The types of each.
        """
        starts, index, value = self._entries(np.sort(patterns, axis=1))
        size = len(patterns)
        least = np.zeros(size)
        costs = np.zeros(size)
        most = np.full(size, self.infinity)
        self.solver.addCols(
            size,
            costs,
            least,
            most,
            len(index),
            starts,
            index,
            value,
        )

    def _entries(self, ordered: Ints) -> tuple[Any, Any, Floats]:
        """Starts, rows (int32) and values of the columns of patterns [new, slots a rank] with their types in order."""
        first = np.ones(ordered.shape, dtype=np.bool_)  # of the slots with one type
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        entries = first.sum(axis=1) + 1  # the last one counts slots
        starts = np.concatenate([[0], np.cumsum(entries)])
        index = np.full(starts[-1], self.slots_row, dtype=np.int32)
        value = np.full(starts[-1], self.slots_per_rank)
        of_types = np.ones(starts[-1], dtype=np.bool_)
        of_types[starts[1:] - 1] = False
        index[of_types] = ordered[first]
        # how many slots one type has: from its first one to the next first one, of the next pattern at the latest
        begins = np.flatnonzero(first.ravel())
        value[of_types] = np.diff(np.append(begins, first.size))
        return starts[:-1].astype(np.int32), index, value

    def solve(self, seconds: float) -> tuple[float, Floats, float] | None:
        """Solve the program as it is.

        Parameters
        ----------
        seconds : float
            Wall-clock limit.

        Returns
        -------
        violation : float
            Of all links together.
        own : array [types], float64
            Multipliers of the types' links, from -1 to 1.
        slot : float
            What the slots of one pattern are worth. All three are None if it was stopped.

        Raises
        ------
        SolverError
            HiGHS failed.
        """
        if not run_highs(self.solver, seconds):
            return None
        duals = np.array(self.solver.getSolution().row_dual)
        violation = self.solver.getInfo().objective_function_value
        return violation, duals[: self.types], float(duals[-1] * self.slots_per_rank)

    def shares(self) -> Floats:
        """By how much each type's count is chosen in the last solution, [types]; an expert's add up to 1."""
        values = np.array(self.solver.getSolution().col_value)
        return values[: self.types]
