"""Few moves exactly, by a rule: small pools by CP-SAT or the reference MILP, from what heuristics have found."""

from __future__ import annotations

from collections.abc import Callable

from ..limits import Limits
from ..moves.held import Bools
from ..moves.rule import MoveRule
from ..problem.pool import Packing, Pool
from .moves import MovesOutcome, moves_of
from .moves_goal import Goal

ROUNDING = 1e-12  # relative: what loads may differ by that were added in another order


def improved(
    pool: Pool,
    held: Bools,
    found: Packing,
    of_method: float,
    rule: MoveRule,
    solver: str,
    limits: Limits,
) -> tuple[Packing, int]:
    """The best packing by a rule, as far as a solver finds it, and the moves that are proven to be needed.

    Parameters
    ----------
    pool : Pool
        A plain one.
    held : array [ranks, experts], bool
        Which experts each rank holds of the map in use.
    found : Packing
        What is known; the result is never worse by the rule.
    of_method : float
        The load of the heaviest rank without limits on moves.
    rule : MoveRule
        Not one that renames only.
    solver : str
        ``"cpsat"`` or ``"milp"``.
    limits : Limits
        Of each model.

    Returns
    -------
    packing : Packing
    moves_bound : int
        No packing as light moves fewer replicas; 0 where the goal is another one.

    Raises
    ------
    SolverError
        The solver failed.
    """
    solve_moves = _solver(solver)

    def solved(goal: Goal, start: Packing) -> MovesOutcome:
        return solve_moves(pool, held, goal, start, limits)

    if rule.move_price is not None:
        return _of(solved(Goal.least_cost(pool, rule.move_price), found), found), 0
    limit = rule.most_moves(pool.slots)
    target = of_method * (1 + (rule.slack or 0.0)) * (1 + ROUNDING)
    known = 0
    packing = found
    if found.objective(pool) <= target or limit is None:
        few = solved(Goal.fewest_moves(target), found)
        known = _proven(few)
        packing = _of(few, found)
    if limit is not None and moves_of(packing, held) > limit:
        light = solved(Goal.least_load(limit), found)
        return _of(light, found), 0
    if limit is not None and packing.objective(pool) > target:
        packing = _of(solved(Goal.least_load(limit), packing), packing)
        few = solved(Goal.fewest_moves(packing.objective(pool)), packing)
        return _of(few, packing), _proven(few)
    return packing, known


def _solver(name: str) -> Callable[..., MovesOutcome]:
    if name == "milp":
        from . import moves_milp

        return moves_milp.solve_moves
    from . import moves_cpsat

    return moves_cpsat.solve_moves


def _of(outcome: MovesOutcome, otherwise: Packing) -> Packing:
    return otherwise if outcome.packing is None else outcome.packing


def _proven(outcome: MovesOutcome) -> int:
    """The moves that a solver proves to be needed, if there is a packing."""
    return 0 if outcome.packing is None else int(outcome.lower_bound)
