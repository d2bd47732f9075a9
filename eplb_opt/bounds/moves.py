"""How many moves a target takes at least, from a linear program over rank contents (``models/README.md``, M7)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..budget import Budget
from ..certificates.patterns import cheapest_counts
from ..certificates.rank_model import Model, rank_model
from ..errors import SolverError
from ..highs import go_on_without
from ..moves.bound import fewest_moves_bound
from ..moves.held import Bools
from ..problem.pool import Floats, Ints, Pool
from .moves_lp import MovesProgram
from .pattern_list import list_all

PRICE_BITS = 20  # multipliers are rounded to multiples of 2**-PRICE_BITS
UNIT = 2**PRICE_BITS
MOST_PATTERNS = 200_000  # listed for a linear program
NOISE = 1e-6  # of reduced costs and of a number of moves
SMOOTH = 0.5  # share of the best multipliers so far in those that price patterns
AT_ONCE = 32  # patterns added in a round, for each kind of ranks
START = 4  # patterns a type in the first program
MOST_ROUNDS = 500


def pattern_moves_bound(
    pool: Pool,
    held: Bools,
    target: float,
    budget: Budget | None = None,
    enough: int | None = None,
) -> int:
    """A proven lower bound of the moves of every packing within a target, at least `moves.bound.fewest_moves_bound`.

    It is for pools whose rank contents can be listed; of others it is the latter.

    Parameters
    ----------
    pool : Pool
        With windows it is their mix that is within the target.
    held : array [ranks, experts], bool
        Which experts each rank holds of the map in use.
    target : float
        Load of the heaviest rank, in the unit of the loads.
    budget : Budget, optional
        Its clock. Default: no limit, deterministic.
    enough : int, optional
        A bound beyond which more is of no use, such as the moves of a packing within the target.

    Returns
    -------
    int
        More than the pool has slots: no packing is within the target. Valid whatever the linear program's solver does.

    Raises
    ------
    InstanceError
        ``held`` is of another pool.
    OptionError
        The target is no number.
    SolverError
        HiGHS failed, outside of `highs.collected_failures`; inside, the bound is what was proven until then.
    """
    bound = fewest_moves_bound(pool, held, target)
    most = pool.slots if enough is None else enough
    if bound >= most or math.isinf(target) or not pool.total:
        return bound
    model = rank_model(pool, target)
    if model is None:  # counts or the mean exclude the target
        return pool.slots + 1
    contents = _contents(pool, model, held)
    if contents is None:
        return bound
    if not len(contents.patterns):
        return pool.slots + 1
    climb = _Climb(contents, bound)
    try:
        climb.run(most, budget or Budget())
    except SolverError as error:
        go_on_without(error)
    return min(climb.bound, pool.slots + 1)


@dataclass(frozen=True, eq=False)
class _Contents:
    """All contents of ranks at a target, and how many of their replicas are new on which ranks.

    Attributes
    ----------
    patterns : array [patterns, slots a rank], int64
        The types in each.
    ranks : array [kinds], int64
        Ranks that hold the same experts.
    new : array [kinds, patterns], int64
        Replicas that are new on a rank of each kind.
    """

    pool: Pool
    model: Model
    patterns: Ints
    ranks: Ints
    new: Ints

    def proven(self, multipliers: Floats) -> float:
        """Moves that multipliers [types] prove (M7); infinite: no counts are allowed."""
        prices = np.asarray(np.round(multipliers * UNIT), dtype=np.int64)
        worth = prices[self.patterns].sum(axis=1)
        least = (self.new * UNIT - worth).min(axis=1)
        by_rank = int((self.ranks * least).sum())
        by_count = cheapest_counts(self.pool, self.model, prices)
        return float((by_rank + by_count) / UNIT)  # integers below 2^53

    def missing(self, own: Floats, of_kind: Floats) -> Floats:
        """What each content on a rank of each kind would save, [kinds, patterns]."""
        worth = own[self.patterns].sum(axis=1)
        return np.asarray(worth + of_kind[:, None] - self.new)


def _contents(pool: Pool, model: Model, held: Bools) -> _Contents | None:
    """Those of a pool at the model's target; None: too many."""
    kinds, ranks = np.unique(held, axis=0, return_counts=True)
    listed = list_all(pool, model, MOST_PATTERNS)
    if listed is None:
        return None
    patterns, _ = listed
    is_new = ~kinds[:, model.order[model.expert]]
    new = np.stack([row[patterns].sum(axis=1) for row in is_new])
    return _Contents(pool, model, patterns, ranks, new)


class _Climb:
    """The largest bound so far, and the multipliers that prove most."""

    def __init__(self, contents: _Contents, bound: int) -> None:
        self.contents = contents
        self.bound = bound
        self.largest = -math.inf
        self.best: Floats | None = None

    def run(self, most: int, budget: Budget) -> None:
        """Add contents to the program until that is enough, or proves no more."""
        program = self._first_program()
        for _ in range(MOST_ROUNDS):
            solution = program.solve(budget.seconds())
            if solution is None:
                return
            moves, own, of_kind = solution
            smoothed = self._smoothed(own)
            self._prove(smoothed)
            self._prove(own)
            if self.bound >= min(most, math.ceil(moves - NOISE)):
                return
            if not self._extend(program, self.contents.missing(own, of_kind), smoothed):
                return

    def _first_program(self) -> MovesProgram:
        contents = self.contents
        program = MovesProgram(contents.pool, contents.model, contents.ranks)
        spacing = max(1, len(contents.patterns) // (START * program.types))
        for kind, new in enumerate(contents.new):
            some = np.argsort(new, kind="stable")[::spacing]
            program.add(kind, contents.patterns[some], new[some])
        return program

    def _smoothed(self, own: Floats) -> Floats:
        """The program's multipliers, drawn towards the best ones."""
        return own if self.best is None else SMOOTH * self.best + (1 - SMOOTH) * own

    def _prove(self, multipliers: Floats) -> None:
        """Take what multipliers prove, if that is more."""
        proven = self.contents.proven(multipliers)
        if proven > self.largest:
            self.largest = proven
            self.best = multipliers
            nowhere = self.contents.pool.slots + 1
            self.bound = max(self.bound, math.ceil(min(proven, nowhere)))

    def _extend(self, program: MovesProgram, missing: Floats, prices: Floats) -> bool:
        """Add contents that improve the program, of each kind those that save most at smoothed prices."""
        contents = self.contents
        worth = prices[contents.patterns].sum(axis=1)
        has_grown = False
        for kind, new in enumerate(contents.new):
            improving = np.flatnonzero(missing[kind] > NOISE)
            saved = (worth - new)[improving]
            chosen = improving[np.argsort(-saved, kind="stable")[:AT_ONCE]]
            if len(chosen):
                program.add(kind, contents.patterns[chosen], new[chosen])
                has_grown = True
        return has_grown
