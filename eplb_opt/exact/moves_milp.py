"""Moves in the reference MILP: the model of `assignment_milp` with (C7) and another objective.

See ``models/README.md``, section 12.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import pulp

from ..budget import Budget
from ..errors import OptionError
from ..limits import Limits
from ..moves.held import Bools
from ..problem.pool import Packing, Pool
from ..problem.status import StopReason
from . import assignment_milp
from .assignment import OUT_OF_TIME
from .assignment_milp import BOUND_MARGIN, MilpModel, copies_of, most_nodes
from .milp_solvers import SOLVERS, InfeasibleError, run_milp
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

MOVES_MARGIN = 1e-3  # of a bound of moves, which are whole, for what tolerances do


def least_load(
    pool: Pool,
    held: Bools,
    max_moves: int,
    incumbent: Packing,
    limits: Limits,
    solver: str = "highs",
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
        ``seconds``, ``work`` (nodes in proportion), ``gap`` and ``seed``.
    solver : str
        ``"highs"`` or ``"cbc"``.

    Returns
    -------
    MovesOutcome
        Its cost is the load of the heaviest rank.

    Raises
    ------
    InstanceError
        The pool has windows, or ``held`` is of another one.
    OptionError
        The number or the solver is none.
    SolverError
        The solver failed or returned values that violate the model.
    """
    return solve_moves(
        pool, held, Goal.least_load(max_moves), incumbent, limits, solver
    )


def fewest_moves(
    pool: Pool,
    held: Bools,
    target: float,
    incumbent: Packing,
    limits: Limits,
    solver: str = "highs",
    known: int = 0,
) -> MovesOutcome:
    """The fewest moves to a heaviest rank within a target, in the unit of the loads; otherwise as `least_load`.

    The cost is the number of moves. ``known`` of them are proven to be needed already.
    """
    goal = Goal.fewest_moves(target, known)
    return solve_moves(pool, held, goal, incumbent, limits, solver)


def least_cost(
    pool: Pool,
    held: Bools,
    move_price: float,
    incumbent: Packing,
    limits: Limits,
    solver: str = "highs",
) -> MovesOutcome:
    """The least ``imbalance + move_price * moves``, which is the cost; otherwise as `least_load`."""
    goal = Goal.least_cost(pool, move_price)
    return solve_moves(pool, held, goal, incumbent, limits, solver)


@dataclass(frozen=True, eq=False)
class MovesModel:
    """The model of `assignment_milp` with its moves; the objective is in scaled loads, or in moves."""

    base: MilpModel
    moves: pulp.LpVariable

    def proven(self, a: MovesAssignment, bound: float | None) -> float:
        """The solver's bound as one of what is minimised, less what tolerances can do to it."""
        if bound is None:
            return a.bound_of(Fraction(0))
        if a.goal.loads_a_move is None:
            moves = Fraction(math.ceil(bound - MOVES_MARGIN))
            return a.bound_of(a.goal.cost(0, 0) + a.goal.move_price * moves)
        load = Fraction(bound / self.base.scale * (1 - BOUND_MARGIN))
        return a.bound_of(a.goal.cost(load, 0))


def build(a: MovesAssignment) -> MovesModel:
    """The model, its warm start set as the variables' initial values.

    Parameters
    ----------
    a : MovesAssignment
        With packings within its limits, as far as is known.

    Returns
    -------
    MovesModel
    """
    base = assignment_milp.build(a)
    base.T.upBound = a.limit * base.scale
    moves = base.problem.add_variable("M", a.fewest, a.most_moves, pulp.LpInteger)
    model = MovesModel(base, moves)
    c7_moves(a, model)
    base.problem.setObjective(_objective(a, model))
    # a warm start beyond the limits is none, but PuLP takes no value outside of a domain
    heaviest = min(max(a.incumbent.objective(a.pool), a.lower), a.limit)
    base.T.setInitialValue(heaviest * base.scale)
    moved = min(max(moves_of(a.incumbent, a.held), a.fewest), a.most_moves)
    moves.setInitialValue(moved)
    return model


def c7_moves(a: MovesAssignment, m: MovesModel) -> None:
    """(C7); (V5) is in the domain of the moves."""
    new = pulp.lpSum(m.base.x[key] for key in a.new())
    m.base.problem.addConstraint(new == m.moves, "C7")


def _objective(a: MovesAssignment, m: MovesModel) -> pulp.LpAffineExpression:
    """Scaled loads and what moves count for among them; moves alone where loads count for nothing."""
    loads_a_move = a.goal.loads_a_move
    if loads_a_move is None:
        return pulp.lpSum([m.moves])
    return m.base.T + float(loads_a_move) * m.base.scale * m.moves


def solve_moves(
    pool: Pool,
    held: Bools,
    goal: Goal,
    incumbent: Packing,
    limits: Limits,
    solver: str = "highs",
) -> MovesOutcome:
    """Solve a pool for a goal; see `least_load`."""
    if solver not in SOLVERS:
        raise OptionError(f"MILP solver {solver!r}: choose one of {', '.join(SOLVERS)}")
    budget = Budget.of(limits)
    a = MovesAssignment.from_held(pool, held, goal, incumbent)
    method = f"MILP ({SOLVERS[solver]})"
    if a.has_none:
        return impossible(a, incumbent, method)
    note = too_large(a, limits)
    if note:
        return unsolved(a, incumbent, StopReason.TOO_LARGE, method, note)
    model = build(a)
    if budget.seconds() <= 0:
        return unsolved(a, incumbent, StopReason.TIME, method, OUT_OF_TIME)
    nodes = most_nodes(limits, a.num_x)
    try:
        run = run_milp(solver, model.base.problem, budget.limits(limits), nodes)
    except InfeasibleError:
        return impossible(a, incumbent, method)
    found = [a.packing(copies_of(model.base))] if run.has_solution else []
    bound = model.proven(a, run.bound)
    return best_of(a, [incumbent, *found], bound, run.stop, method)
