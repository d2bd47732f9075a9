"""How light the heaviest rank can be within some moves: a bound from one of the moves (``models/README.md``, M8)."""

from __future__ import annotations

from collections.abc import Callable

from ..problem.pool import Pool
from .bound import fewest_moves_bound
from .held import Bools

PRECISION = 1e-5  # relative, of loads beside which a bound ends


def least_load_bound(
    pool: Pool,
    held: Bools,
    max_moves: int,
    lower: float,
    upper: float,
    moves_bound: Callable[[Pool, Bools, float], int] = fewest_moves_bound,
) -> float:
    """A proven lower bound of the heaviest rank of every packing with at most some moves.

    Parameters
    ----------
    pool : Pool
        With windows it is their mix that is bounded.
    held : array [ranks, experts], bool
        Which experts each rank holds of the map in use.
    max_moves : int
    lower : float
        A bound that is known, with any number of moves.
    upper : float
        A load beyond which a bound is of no use, such as that of a packing within the moves.
    moves_bound : callable
        A proven bound of the moves to a load: this one, or `bounds.moves.pattern_moves_bound`.

    Returns
    -------
    float
        From ``lower`` to ``upper``, in the unit of the loads.

    Examples
    --------
    >>> import numpy as np
    >>> pool = Pool(np.array([8.0, 3.0, 1.0]), slots=4, ranks=2)
    >>> held = np.array([[True, True, False], [False, False, True]])
    >>> [round(least_load_bound(pool, held, most, 6.0, 11.0), 2) for most in (0, 1, 2)]
    [11.0, 7.0, 7.0]
    """
    low = lower
    high = upper
    while high - low > PRECISION * high:
        target = (low + high) / 2
        if moves_bound(pool, held, target) > max_moves:
            low = target
        else:
            high = target
    return low
