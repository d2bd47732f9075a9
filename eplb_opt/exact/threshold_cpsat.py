"""The threshold model over integers in CP-SAT (``models/README.md``, X4): no claim of it needs a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SolverError
from ..native import in_own_thread
from ..problem.pool import Ints, Pool
from ..problem.status import StopReason
from .threshold import Bools, Columns

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

LEAST_SECONDS = 1e-2  # of a run: CP-SAT needs some to say anything
LEAST_WORK = 1e-3
# share of the work from which on it, not the clock, has stopped the search
ALL_WORK = 0.99


@dataclass(frozen=True, eq=False)
class CountsVerdict:
    """What a solver run said about counts within a limit.

    Parameters
    ----------
    counts : array [experts], int64, or None
        Counts that satisfy the model, if it found some.
    proven : bool
        There are none.
    work : float
        What the run cost, in units of `Limits.work`.
    stop : StopReason
        Why it stopped, if it neither found counts nor proved that there are none.
    """

    counts: Ints | None
    proven: bool
    work: float
    stop: StopReason = StopReason.GAP


def integer_counts(
    pool: Pool,
    cols: Columns,
    extra: list[tuple[Bools, int]],
    seconds: float,
    work: float,
    seed: int,
    near: Ints,
) -> CountsVerdict:
    """Counts that satisfy the model, by CP-SAT: all data are integers, so a claim of infeasibility needs no tolerance.

    Parameters
    ----------
    pool : Pool
    cols : Columns
        What may be chosen.
    extra : list of (array [columns], bool; int)
        Further rows: the counts of the columns marked add up to at most the bound.
    seconds : float
        Wall-clock limit.
    work : float
        Limit in units of CP-SAT's deterministic time.
    seed : int
        Of CP-SAT's random numbers.
    near : array [experts], int64
        Counts of a good packing, where the search starts (a hint).

    Returns
    -------
    CountsVerdict

    Raises
    ------
    SolverError
        The solver returned a point that does not choose one count for every expert.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    chosen = _new_choices(model, cols, near)
    _add_rows(model, chosen, pool, cols)
    for which, bound in extra:
        model.add(_weighted(chosen, np.flatnonzero(which), cols.count) <= bound)
    solver = _solver(seconds, work, seed)
    status = in_own_thread(lambda: solver.solve(model), solver.stop_search)
    # older versions have it nowhere else
    spent = solver.response_proto.deterministic_time
    if status == cp_model.INFEASIBLE:
        return CountsVerdict(None, True, spent)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        stop = StopReason.TIME if spent < work * ALL_WORK else StopReason.WORK
        return CountsVerdict(None, False, spent, stop)
    picked = np.flatnonzero([solver.boolean_value(variable) for variable in chosen])
    return CountsVerdict(_counts(pool, cols, picked), False, spent)


def _counts(pool: Pool, cols: Columns, picked: Ints) -> Ints:
    """The counts [experts] of the columns that the solver has chosen."""
    if not np.array_equal(cols.expert[picked], np.arange(pool.num_experts)):
        raise SolverError(
            "CP-SAT returned a point that does not choose one count for every expert"
        )
    return cols.count[picked].copy()


def _new_choices(
    model: cp_model.CpModel, cols: Columns, near: Ints
) -> list[cp_model.IntVar]:
    """Whether each column is chosen; the search starts at the counts ``near`` [experts]."""
    chosen = [model.new_bool_var("") for _ in cols.expert]
    is_hint = cols.count == near[cols.expert]
    for variable, hint in zip(chosen, is_hint.tolist(), strict=True):
        model.add_hint(variable, hint)
    return chosen


def _add_rows(
    model: cp_model.CpModel,
    chosen: Sequence[cp_model.IntVar],
    pool: Pool,
    cols: Columns,
) -> None:
    """One count an expert, the slots, and the chain of stocks, none of them negative."""
    from ortools.sat.python import cp_model

    for e in range(pool.num_experts):
        model.add_exactly_one(
            chosen[j] for j in np.flatnonzero(cols.expert == e).tolist()
        )
    slots = cp_model.LinearExpr.weighted_sum(chosen, cols.count.tolist())
    model.add(slots == pool.slots if pool.distinct else slots <= pool.slots)
    stock = model.new_constant(0)
    for level in range(1, cols.levels + 1):
        moved = _weighted(chosen, np.flatnonzero(cols.level == level), cols.role)
        following = model.new_int_var(0, pool.slots, "")
        model.add(following == stock + moved)
        stock = following


def _weighted(chosen: Sequence[cp_model.IntVar], which: Ints, weights: Ints) -> Any:
    """The weights [columns] of the columns chosen among these, added up."""
    from ortools.sat.python import cp_model

    variables = [chosen[j] for j in which.tolist()]
    return cp_model.LinearExpr.weighted_sum(variables, weights[which].tolist())


def _solver(seconds: float, work: float, seed: int) -> cp_model.CpSolver:
    """CP-SAT with one worker, which is deterministic, within its limits."""
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    parameters = solver.parameters
    parameters.num_workers = 1
    parameters.linearization_level = 2  # the chain's rows are what proves
    parameters.random_seed = seed
    parameters.max_time_in_seconds = max(seconds, LEAST_SECONDS)
    parameters.max_deterministic_time = max(work, LEAST_WORK)
    parameters.catch_sigint_signal = False  # the process's handlers are the caller's
    return solver
