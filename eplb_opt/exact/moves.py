"""From a map in use to the next: the data of the formulations, and what solvers come to.

See ``models/README.md``, section 12: what a pool without a map in use has is inherited from `assignment`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ..certificates.mean import floor_float, trivial_bound
from ..errors import InstanceError, SolverError
from ..moves.bound import check_held, fewest_moves_bound
from ..moves.held import Bools, moved_replicas
from ..problem.pool import Ints, Packing, Pool
from ..problem.status import StopReason
from .assignment import UPPER_MARGIN, Assignment, allowed_counts
from .moves_goal import Goal
from .symmetry import canonical_packing, kinds_of_columns


def moves_of(packing: Packing, held: Bools) -> int:
    """Replicas of a packing on a rank that did not hold their expert.

    Parameters
    ----------
    packing : Packing
    held : array [ranks, experts], bool
        Which experts each rank holds of the map in use.

    Examples
    --------
    >>> held = np.array([[True, True, False], [True, False, True]])
    >>> moves_of(Packing(np.array([[0, 0], [1, 2]])), held)
    1
    """
    return int(moved_replicas(packing.experts, held))


@dataclass(frozen=True, eq=False)
class MovesAssignment(Assignment):
    """The formulation's data where ranks hold experts already.

    Attributes
    ----------
    held : array [ranks, experts], bool
        Which experts each rank holds of the map in use.
    goal : Goal
    fewest : int
        Proven bound of the moves of every packing that is of use (M1 to M7); more than the slots: there is none.
    """

    held: Bools
    goal: Goal
    fewest: int

    @classmethod
    def from_held(
        cls, pool: Pool, held: Bools, goal: Goal, incumbent: Packing
    ) -> MovesAssignment:
        """Build from any valid packing, which need not be within the goal's limits.

        Parameters
        ----------
        pool : Pool
            A plain one.
        held : array [ranks, experts], bool
        goal : Goal
        incumbent : Packing
            Of the pool.

        Returns
        -------
        MovesAssignment

        Raises
        ------
        InstanceError
            The pool has windows, or ``held`` is of another one.
        """
        if not pool.is_plain:
            raise InstanceError(
                "exact moves are of one load vector: give the pool's mix of its windows"
            )
        check_held(pool, held)
        kinds = (_expert_kinds(pool, held), kinds_of_columns(held.T))
        start = canonical_packing(pool, incumbent, *kinds)
        of_any = fewest_moves_bound(pool, held, math.inf)
        moves = moves_of(start, held)
        upper = goal.heaviest_of_use(pool, start.objective(pool), moves, of_any)
        limit = upper * (1 + UPPER_MARGIN)
        lower, _ = trivial_bound(pool)
        return cls(
            pool,
            allowed_counts(pool, limit),
            start,
            lower,
            upper,
            held=held,
            goal=goal,
            fewest=max(fewest_moves_bound(pool, held, limit), goal.known),
        )

    @property
    def limit(self) -> float:
        """The heaviest rank that is of use, with the margin of rounded sums."""
        return self.upper * (1 + UPPER_MARGIN)

    @property
    def most_moves(self) -> int:
        """The most moves within the limits."""
        most = self.goal.most_moves
        return self.pool.slots if most is None else min(most, self.pool.slots)

    @property
    def has_none(self) -> bool:
        """Whether the bound of the moves alone excludes every packing."""
        return self.fewest > self.most_moves

    def new(self) -> Iterator[tuple[int, int, int]]:
        """All (expert, count, rank) in which a replica is a move, for (C7)."""
        for e, k in self.expert_counts():
            for r in np.flatnonzero(~self.held[:, e]).tolist():
                yield e, k, r

    @cached_property
    def expert_kinds(self) -> Ints:
        """The same for experts of equal load that the same ranks hold (S4), [experts]."""
        return _expert_kinds(self.pool, self.held)

    @cached_property
    def rank_kinds(self) -> Ints:
        """The same for ranks that hold the same experts (S3), [ranks]."""
        return kinds_of_columns(self.held.T)

    def bound_of(self, proven: Fraction) -> float:
        """A proven bound of what is minimised, or what is known without a solver if that is more."""
        known = self.goal.cost(self.lower, self.fewest)
        return floor_float(max(known, proven))


@dataclass(frozen=True, eq=False)
class MovesOutcome:
    """What a solver found and proved; all but the bound is recomputed outside of it.

    Attributes
    ----------
    packing : Packing or None
        The best within the limits; None: none is known.
    objective : float
        Load of its heaviest rank; infinite without a packing.
    moves : int or None
        Its moves.
    cost : float
        What was minimised, of this packing; infinite without one.
    lower_bound : float
        Proven for the cost of every packing within the limits; infinite: there is none.
    stop : StopReason
    method : str
        Which solver.
    note : str
        What a user should know.
    """

    packing: Packing | None
    objective: float
    moves: int | None
    cost: float
    lower_bound: float
    stop: StopReason
    method: str
    note: str = ""


def best_of(
    a: MovesAssignment,
    packings: Iterable[Packing],
    bound: float,
    stop: StopReason,
    method: str,
    note: str = "",
) -> MovesOutcome:
    """The outcome with the best of some valid packings: the least cost, then the fewest moves.

    Parameters
    ----------
    a : MovesAssignment
    packings : iterable of Packing
        Those beyond the limits do not count.
    bound : float
        Of what is minimised.
    stop : StopReason
    method, note : str

    Returns
    -------
    MovesOutcome
    """
    best = MovesOutcome(None, math.inf, None, math.inf, bound, stop, method, note)
    least: tuple[Fraction, int] | None = None
    for packing in packings:
        load = packing.objective(a.pool)
        moves = moves_of(packing, a.held)
        key = (a.goal.cost(load, moves), moves)
        if a.goal.allows(load, moves) and (least is None or key < least):
            least = key
            cost = float(key[0])
            best = MovesOutcome(packing, load, moves, cost, bound, stop, method, note)
    return best


def unsolved(
    a: MovesAssignment, incumbent: Packing, stop: StopReason, method: str, note: str
) -> MovesOutcome:
    """The outcome where no solver ran: the warm start, and the bound that needs none."""
    return best_of(a, [incumbent], a.bound_of(Fraction(0)), stop, method, note)


def impossible(a: MovesAssignment, incumbent: Packing, method: str) -> MovesOutcome:
    """The outcome where no packing is within the limits.

    Raises
    ------
    SolverError
        The warm start is one.
    """
    outcome = best_of(a, [incumbent], math.inf, StopReason.GAP, method)
    if outcome.packing is not None:
        raise SolverError(
            f"{method} finds no packing within limits that the warm start keeps"
        )
    return outcome


def _expert_kinds(pool: Pool, held: Bools) -> Ints:
    """A number for each expert, the same for those of equal load that the same ranks hold, [experts]."""
    return kinds_of_columns(np.stack([pool.loads, *held.astype(np.float64)]))
