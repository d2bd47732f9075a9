"""Moves in the reference CP-SAT model: the families of `assignment_cpsat` with (C7) and another objective.

See ``models/README.md``, section 12.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ortools.sat.python import cp_model

from ..budget import Budget
from ..errors import SolverError
from ..limits import Limits
from ..moves.held import Bools
from ..native import in_own_thread
from ..problem.pool import Packing, Pool
from ..problem.status import StopReason
from .assignment import OUT_OF_TIME
from .assignment_cpsat import (
    FAMILIES,
    CpSatModel,
    add_hints,
    integer_loads,
    new_copies,
    scale_of,
)
from .cpsat_solver import BOUND_NOISE, limit_hit, new_solver
from .model_size import too_large
from .moves import (
    MovesAssignment,
    MovesOutcome,
    best_of,
    impossible,
    moves_of,
    unsolved,
)
from .moves_goal import Goal

METHOD = "CP-SAT"
# Bits of a load beyond those of `scale_of` where it is only limited: a rank within the limit in integers is within it
# up to the rounding of sums.
LIMIT_BITS = 12


def least_load(
    pool: Pool, held: Bools, max_moves: int, incumbent: Packing, limits: Limits
) -> MovesOutcome:
    """The lightest heaviest rank within a number of moves.

    Parameters
    ----------
    pool : Pool
        A plain one.
    held : array [ranks, experts], bool
        Which experts each rank holds of the map in use.
    max_moves : int
        Replicas on a rank that did not hold their expert.
    incumbent : Packing
        Valid warm start; it need not be within the moves.
    limits : Limits
        ``seconds``, ``work`` (CP-SAT's deterministic time), ``gap`` and ``seed``.

    Returns
    -------
    MovesOutcome
        Its cost is the load of the heaviest rank.

    Raises
    ------
    InstanceError
        The pool has windows, or ``held`` is of another one.
    OptionError
        It is no number of moves.
    SolverError
        The solver failed or returned values that violate the model.
    """
    return solve_moves(pool, held, Goal.least_load(max_moves), incumbent, limits)


def fewest_moves(
    pool: Pool,
    held: Bools,
    target: float,
    incumbent: Packing,
    limits: Limits,
    known: int = 0,
) -> MovesOutcome:
    """The fewest moves to a heaviest rank within a target, in the unit of the loads; otherwise as `least_load`.

    The cost is the number of moves. ``known`` of them are proven to be needed already.
    """
    return solve_moves(pool, held, Goal.fewest_moves(target, known), incumbent, limits)


def least_cost(
    pool: Pool, held: Bools, move_price: float, incumbent: Packing, limits: Limits
) -> MovesOutcome:
    """The least ``imbalance + move_price * moves``, which is the cost; otherwise as `least_load`."""
    goal = Goal.least_cost(pool, move_price)
    return solve_moves(pool, held, goal, incumbent, limits)


@dataclass(frozen=True, eq=False)
class MovesModel:
    """The model's parts; the objective is in integer loads, or in moves."""

    base: CpSatModel
    moves: cp_model.IntVar

    def proven(self, a: MovesAssignment, solver: cp_model.CpSolver) -> float:
        """The solver's bound as one of what is minimised."""
        # the objective is an integer
        bound = Fraction(math.ceil(solver.best_objective_bound - BOUND_NOISE))
        if a.goal.loads_a_move is None:
            return a.bound_of(a.goal.cost(0, 0) + a.goal.move_price * bound)
        return a.bound_of(a.goal.cost(bound / self.base.scale, 0))


def build(a: MovesAssignment) -> MovesModel:
    """The model with a complete hint.

    Parameters
    ----------
    a : MovesAssignment
        With packings within its limits, as far as is known.

    Returns
    -------
    MovesModel
    """
    base = _new_model(a)
    for add_family in FAMILIES:
        add_family(a, base)
    moves = base.model.new_int_var(a.fewest, a.most_moves, "M")
    m = MovesModel(base, moves)
    c7_moves(a, m)
    base.model.minimize(_objective(a, m))
    add_hints(a, base, [_heaviest(a, base)])
    base.model.add_hint(moves, moves_of(a.incumbent, a.held))
    return m


def _new_model(a: MovesAssignment) -> CpSatModel:
    """The variables of the model without moves, in a scale that suits the goal."""
    scale = scale_of(a.pool)
    if a.goal.loads_a_move is None:
        scale *= 2**LIMIT_BITS
    (loads,) = a.window_loads
    model = cp_model.CpModel()
    # (V1), less what rounding down can take
    least = math.floor(scale * Fraction(a.lower)) - a.pool.slots_per_rank
    most = math.floor(scale * Fraction(a.limit))
    whole = [integer_loads(a, loads, scale)]
    return CpSatModel(
        model,
        heaviest=[model.new_int_var(min(least, most), most, "T")],
        y={(e, k): model.new_bool_var(f"y_{e}_{k}") for e, k in a.expert_counts()},
        x=new_copies(a, model),
        loads=whole,
        by_speed={1.0: whole},
        scale=scale,
        unit=scale,
    )


def c7_moves(a: MovesAssignment, m: MovesModel) -> None:
    """(C7); (V5) is in the domain of the moves."""
    new = [m.base.x[key] for key in a.new()]
    m.base.model.add(cp_model.LinearExpr.sum(new) == m.moves)


def _objective(a: MovesAssignment, m: MovesModel) -> cp_model.LinearExprT:
    """Integer loads and what moves count for among them, rounded down; moves alone where loads count for nothing."""
    loads_a_move = a.goal.loads_a_move
    if loads_a_move is None:
        return m.moves
    return m.base.heaviest[0] + math.floor(loads_a_move * m.base.scale) * m.moves


def _heaviest(a: MovesAssignment, base: CpSatModel) -> int:
    """The warm start's heaviest rank in integer loads."""
    counts: list[int] = a.incumbent.counts(a.pool).tolist()
    (loads,) = a.window_loads
    replica = [
        int(base.scale * Fraction(load) / count)
        for load, count in zip(loads, counts, strict=True)
    ]
    ranks: list[list[int]] = a.incumbent.experts.tolist()
    return max(sum(replica[e] for e in rank) for rank in ranks)


def solve_moves(
    pool: Pool, held: Bools, goal: Goal, incumbent: Packing, limits: Limits
) -> MovesOutcome:
    """Solve a pool for a goal; see `least_load`."""
    budget = Budget.of(limits)
    a = MovesAssignment.from_held(pool, held, goal, incumbent)
    if a.has_none:
        return impossible(a, incumbent, METHOD)
    note = too_large(a, limits)
    if note:
        return unsolved(a, incumbent, StopReason.TOO_LARGE, METHOD, note)
    m = build(a)
    if budget.seconds() <= 0:
        return unsolved(a, incumbent, StopReason.TIME, METHOD, OUT_OF_TIME)
    solver = new_solver(budget.limits(limits))
    # at level 2 the bound of some tiny pools climbs by one integer load after the other
    solver.parameters.linearization_level = 1
    status = in_own_thread(lambda: solver.solve(m.base.model), solver.stop_search)
    if status == cp_model.INFEASIBLE:
        return impossible(a, incumbent, METHOD)
    if status == cp_model.MODEL_INVALID:
        raise SolverError("CP-SAT finds its model invalid: the warm start is kept")
    found = []
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        values = {key: solver.value(variable) for key, variable in m.base.x.items()}
        found = [a.packing(values)]
    stop = StopReason.GAP if status == cp_model.OPTIMAL else limit_hit(limits, solver)
    return best_of(a, [incumbent, *found], m.proven(a, solver), stop, METHOD)
