"""Spare replicas exactly, for small pools: the CP-SAT model with one more family of constraints (SP3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from ortools.sat.python import cp_model

from ..budget import Budget
from ..certificates.mean import floor_float
from ..exact.assignment import Assignment
from ..exact.assignment_cpsat import CpSatModel, build
from ..exact.cpsat_solver import BOUND_NOISE, METHOD, limit_hit, new_solver
from ..exact.model_size import too_large
from ..limits import Limits
from ..native import in_own_thread
from ..outcome import PoolOutcome
from ..problem.pool import Ints, Packing, Pool
from ..problem.spare import COPIES
from ..problem.status import StopReason


@dataclass(frozen=True, eq=False)
class NodeAssignment(Assignment):
    """The formulation where ranks are no longer alike, as some of them fail together."""

    @cached_property
    def by_load(self) -> list[int]:
        """None: (S1) would number the ranks of all nodes at once."""
        return []


def solve_spare(
    pool: Pool, units: Ints, incumbent: Packing, limits: Limits
) -> PoolOutcome:
    """The lightest packing in which every expert is on two units at least, or the best that limits allow.

    Parameters
    ----------
    pool : Pool
    units : array [ranks], int64
        What fails together.
    incumbent : Packing
        A packing of that kind.
    limits : Limits
        ``seconds``, ``work`` (CP-SAT's deterministic time), ``gap`` and ``seed``.

    Returns
    -------
    PoolOutcome
        Its bound holds for packings of that kind only.

    Raises
    ------
    SolverError
        The solver returned values that violate the model.
    """
    budget = Budget.of(limits)
    a = _assignment(pool, units, incumbent)
    note = too_large(a, limits)
    if note:
        return PoolOutcome(incumbent, None, StopReason.TOO_LARGE, METHOD, note=note)
    m = build(a)
    spare_units(a, m, units)
    if budget.seconds() <= 0:
        return PoolOutcome(incumbent, None, StopReason.TIME, METHOD)
    solver = new_solver(budget.limits(limits))
    status = in_own_thread(lambda: solver.solve(m.model), solver.stop_search)
    best = incumbent
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        values = {key: solver.value(variable) for key, variable in m.x.items()}
        packing = a.packing({key: copies for key, copies in values.items() if copies})
        best = min(incumbent, packing, key=lambda p: p.objective(pool))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.UNKNOWN):
        return PoolOutcome(incumbent, None, StopReason.FAILED, METHOD)
    stop = StopReason.GAP if status == cp_model.OPTIMAL else limit_hit(limits, solver)
    proven = math.ceil(solver.best_objective_bound - BOUND_NOISE)
    bound = max(floor_float(Fraction(proven) / m.unit), a.lower)
    return PoolOutcome(best, bound, stop, METHOD, bound_method=METHOD)


def spare_units(a: Assignment, m: CpSatModel, units: Ints) -> None:
    """(SP3): no unit holds all replicas of an expert."""
    for unit in sorted(set(units.tolist())):
        inside = [r for r in a.ranks if units[r] == unit]
        for e, counts in enumerate(a.counts):
            held = sum(m.x[e, k, r] for k in counts for r in inside)
            m.model.add(held <= sum((k - 1) * m.y[e, k] for k in counts))


def _assignment(pool: Pool, units: Ints, incumbent: Packing) -> Assignment:
    """The formulation's sets, without counts that no packing with spares has."""
    a = Assignment.of(pool, incumbent)
    if len(set(units.tolist())) < pool.ranks:
        a = NodeAssignment(pool, a.counts, incumbent, a.lower, a.upper)
    least = [max(counts.start, COPIES) for counts in a.counts]
    further = pool.slots - sum(least)
    most = [min(pool.max_count, count + further) for count in least]
    counts = [range(low, high + 1) for low, high in zip(least, most, strict=True)]
    return replace(a, counts=counts)
