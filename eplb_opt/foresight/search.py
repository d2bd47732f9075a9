"""Search over windows with more time: longer annealings, warm and cold ones, from the start and the best in turn."""

from __future__ import annotations

import math

from ..bracket import Bracket
from ..budget import Budget
from ..problem.pool import Packing, Pool
from .annealing import annealed
from .tables import MOST_RANKS

FIRST_MOVES = 800  # proposals a slot of the first annealings; those of a cycle have twice as many as of the one before
LEAST_MOVES = 100  # a slot, in the time that is left, to begin another one
# Of an annealing, times the usual temperatures. Cold ones begin with the best map, but the first, the others anew.
CYCLE = (1.0, 10.0, 1.0, 3.0)
ROUNDS = 6 * len(CYCLE)
PATIENCE = len(CYCLE)  # annealings that gain nothing, after which it ends
GAIN = 1e-4  # relative: what counts as a gain
STREAM = 1 << 32  # proposals' numbers from one annealing to the next
PROPOSALS_A_SECOND = 1e8  # times windows: at least so many
METHOD = "search over windows"
WORK = 1.5e8  # of a unit of `Limits.work`


def search_windows(
    pool: Pool,
    start: Packing,
    *,
    target: float,
    budget: Budget,
    seed: int,
    node_ranks: int | None = None,
) -> Packing:
    """Improve a packing over its pool's windows until the target is reached, nothing is gained or the limits are.

    Parameters
    ----------
    pool : Pool
        With windows.
    start : Packing
        The result is never worse.
    target : float
        Stop at this objective.
    budget : Budget
        Its work is proposals times windows.
    seed : int
        Which random numbers.
    node_ranks : int, optional
        Ranks of a node, which keeps its experts, where the pool is a layer of several nodes.

    Returns
    -------
    Packing
    """
    windows = pool.windows
    if windows is None or not 1 < pool.ranks <= MOST_RANKS:
        return start
    bracket = Bracket(pool, start, "start", lower=target)
    shares = windows.shares
    idle = 0
    for number in range(ROUNDS):
        wanted = pool.slots * FIRST_MOVES << number // len(CYCLE)
        moves = _affordable(wanted, len(shares), budget)
        is_short = moves < LEAST_MOVES * pool.slots
        if not bracket.is_open() or idle == PATIENCE or is_short:
            break
        before = bracket.upper
        warmth = CYCLE[number % len(CYCLE)]
        begun = bracket.packing if warmth == 1.0 else start
        shares = (
            windows.shares + windows.worst_weights(bracket.packing.window_times(pool))
        ) / 2
        slots = annealed(
            windows.loads,
            shares,
            begun.experts,
            pool_ranks=node_ranks or pool.ranks,
            distinct=pool.distinct,
            moves=moves,
            warmth=warmth,
            first=(seed * ROUNDS + number + 1) * STREAM,
        )
        budget.spend(moves * len(shares))
        bracket.offer(Packing(slots), METHOD)
        idle = 0 if bracket.upper < before * (1 - GAIN) else idle + 1
    return bracket.packing


def _affordable(moves: int, windows: int, budget: Budget) -> int:
    """Of so many proposals those that fit the budget."""
    fitting = min(budget.work, budget.seconds() * PROPOSALS_A_SECOND) / windows
    return moves if math.isinf(fitting) else min(moves, int(fitting))
