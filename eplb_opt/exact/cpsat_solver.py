"""CP-SAT on the assignment formulation: the model solved, its bound and packing read back."""

from __future__ import annotations

import math
from fractions import Fraction

from ortools.sat.python import cp_model

from ..budget import Budget
from ..certificates.mean import floor_float
from ..errors import SolverError
from ..limits import Limits
from ..native import in_own_thread
from ..outcome import PoolOutcome
from ..problem.pool import Packing, Pool
from ..problem.status import StopReason
from .assignment import OUT_OF_TIME, Assignment
from .assignment_cpsat import CpSatModel, build
from .model_size import too_large

BOUND_NOISE = 1e-6  # CP-SAT hands its integer bound over as a float
# share of the work from which on it, not the clock, has stopped the search
ALL_WORK = 0.99
METHOD = "CP-SAT"


def solve_cpsat(pool: Pool, incumbent: Packing, limits: Limits) -> PoolOutcome:
    """Solve a pool with the reference CP-SAT model.

    Parameters
    ----------
    pool : Pool
    incumbent : Packing
        Valid warm start.
    limits : Limits
        ``seconds``, ``work`` (CP-SAT's deterministic time), ``gap`` and ``seed``.

    Returns
    -------
    PoolOutcome
        The better of the incumbent and the solver's packing, recomputed here; the solver's bound scaled back.

    Raises
    ------
    SolverError
        The solver failed or returned values that violate the model.
    """
    budget = Budget.of(limits)
    a = Assignment.of(pool, incumbent)
    note = too_large(a, limits)
    if note:
        return PoolOutcome(
            incumbent,
            None,
            StopReason.TOO_LARGE,
            METHOD,
            note=note,
        )
    m = build(a)
    if budget.seconds() <= 0:
        return PoolOutcome(
            incumbent,
            None,
            StopReason.TIME,
            METHOD,
            note=OUT_OF_TIME,
        )
    solver = new_solver(budget.limits(limits))
    status = in_own_thread(lambda: solver.solve(m.model), solver.stop_search)
    if status in (cp_model.INFEASIBLE, cp_model.MODEL_INVALID):
        raise SolverError(
            f"CP-SAT says {solver.status_name(status)} of a model with a solution: the greedy's is kept"
        )
    best = incumbent
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        packing = _packing(a, m, solver)
        best = min(packing, incumbent, key=lambda p: p.objective(pool))
    stop = StopReason.GAP if status == cp_model.OPTIMAL else limit_hit(limits, solver)
    return PoolOutcome(
        best,
        _bound(a, m, solver),
        stop,
        METHOD,
        bound_method=METHOD,
    )


def _bound(a: Assignment, m: CpSatModel, solver: cp_model.CpSolver) -> float:
    """The solver's bound in the unit of the loads, or L0 if that is larger."""
    # the objective is an integer
    proven = math.ceil(solver.best_objective_bound - BOUND_NOISE)
    bound = Fraction(proven) / m.unit
    if a.divides:  # T is rounded up there (K4)
        bound -= 1 / m.scale
    return max(floor_float(bound), a.lower)


def _packing(a: Assignment, m: CpSatModel, solver: cp_model.CpSolver) -> Packing:
    """The packing that the solver found."""
    values = {key: solver.value(variable) for key, variable in m.x.items()}
    return a.packing({key: copies for key, copies in values.items() if copies})


def new_solver(limits: Limits) -> cp_model.CpSolver:
    """CP-SAT with one worker, which is deterministic, within its limits."""
    solver = cp_model.CpSolver()
    parameters = solver.parameters
    parameters.num_workers = 1
    parameters.linearization_level = 2  # the packing rows are what proves
    parameters.random_seed = limits.seed
    parameters.catch_sigint_signal = False  # the process's handlers are the caller's
    # OR-Tools 9.15 adds coefficients up in 32 bits there, and then proves what is not true.
    parameters.presolve_inclusion_work_limit = 0
    # CP-SAT's is relative to the objective
    parameters.relative_gap_limit = limits.gap / (1 + limits.gap)
    if limits.seconds is not None:
        parameters.max_time_in_seconds = limits.seconds
    if limits.work is not None:
        parameters.max_deterministic_time = limits.work
    return solver


def limit_hit(limits: Limits, solver: cp_model.CpSolver) -> StopReason:
    """Which limit has stopped the solver."""
    spent = solver.response_proto.deterministic_time
    if limits.work is not None and spent >= limits.work * ALL_WORK:
        return StopReason.WORK
    return StopReason.TIME
