"""L2: a lower bound from the linear program over rank contents, proven in integers (models/README.md, section 8)."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..budget import Budget
from ..certificates.mean import trivial_bound
from ..certificates.patterns import PatternCertificate, cheapest_counts
from ..certificates.rank_model import Model, rank_model
from ..certificates.window_model import window_model
from ..errors import SolverError
from ..highs import go_on_without
from ..problem.pool import Floats, Ints, Pool
from .pattern_list import list_all
from .pattern_lp import multipliers

PRICE_BITS = 30  # multipliers, from -1 to 1, are rounded to multiples of 2**-PRICE_BITS
MOST_PATTERNS = 200_000  # listed for a linear program
STEPS = 8  # halvings of the interval between the last target proven and the first not proven


def pattern_bound(
    pool: Pool,
    upper: float,
    gap: float = 1e-4,
    budget: Budget | None = None,
    lower: float = 0.0,
) -> tuple[float, PatternCertificate | None]:
    """A proven lower bound of a pool (L2), and its certificate.

    Parameters
    ----------
    pool : Pool
    upper : float
        An objective known to be reachable: the search ends at ``upper / (1 + gap)``.
    gap : float
        Relative; gains below a twentieth of it are not pursued.
    budget : Budget, optional
        Its clock. Default: no limit, deterministic.
    lower : float
        A bound that is proven already.

    Returns
    -------
    bound : float
        In units of load; the certificate's target, or what was known before: never less than ``lower`` and L0.
    certificate : PatternCertificate or None
        Has passed ``holds``: the bound is valid whatever the LP solver does. None: ``lower`` or L0
        is the bound.

    Raises
    ------
    SolverError
        HiGHS failed, outside of `highs.collected_failures`; inside, the bound is what was proven until then.
    """
    budget = budget or Budget()
    low = max(lower, trivial_bound(pool)[0])
    climb = _Climb(low, upper / (1 + gap), gap)
    try:
        for _ in range(4 * STEPS):
            if not climb.goes_on() or budget.stop() is not None:
                break
            climb.learn(_prove(pool, climb.target, budget))
    except SolverError as error:
        go_on_without(error)
    return climb.low, climb.best


class _Climb:
    """The largest target that is proven, the least one that could not be, and the next one to try."""

    def __init__(self, low: float, high: float, gap: float) -> None:
        self.low = low
        self.high = high
        self.gap = gap
        self.target = min(low * (1 + gap), high)
        self.best: PatternCertificate | None = None
        # a target could not be proven: ``high`` is the least of these
        self.is_halving = False

    def goes_on(self) -> bool:
        """Whether the next target is worth a try."""
        is_close = self.high - self.low <= self.gap * self.low / 20
        return self.low < self.target and not (self.is_halving and is_close)

    def learn(self, proof: PatternCertificate | None) -> None:
        """Choose the next target: steps double until one fails, then the interval is halved."""
        step = self.target - self.low
        if proof is not None:
            self.low = self.target
            self.best = proof
        else:
            self.is_halving = True
            self.high = self.target
        doubled = min(self.low + 2 * step, self.high)
        self.target = (self.low + self.high) / 2 if self.is_halving else doubled


def _prove(pool: Pool, target: float, budget: Budget) -> PatternCertificate | None:
    """A certificate for the target, or None: the linear program has a solution, is too large, or was stopped."""
    model = rank_model(pool, target)
    if model is None:
        return PatternCertificate(target, ())
    windows = window_model(pool, model, target)
    listed = list_all(pool, model, MOST_PATTERNS, windows)
    if listed is None:
        return None
    patterns, _ = listed
    if not len(patterns):  # no rank content is within the limits
        return PatternCertificate(target, ())
    surplus = partial(_surplus, pool, model, patterns)
    duals = multipliers(pool, model, patterns, surplus, budget)
    return None if duals is None else _certificate(target, model, _integers(duals))


def _surplus(pool: Pool, model: Model, patterns: Ints, duals: Floats) -> float:
    """By how much the cheapest counts cost more than ranks can be worth."""
    prices = _integers(duals)
    most_worth = int(prices[patterns].sum(axis=1).max())
    return cheapest_counts(pool, model, prices) - pool.ranks * most_worth


def _certificate(target: float, model: Model, prices: Ints) -> PatternCertificate:
    """The prices [types] that are not 0, by expert and count."""
    used = np.flatnonzero(prices)
    expert = model.order[model.expert[used]].tolist()
    count = model.count[used].tolist()
    price = prices[used].tolist()
    return PatternCertificate(target, tuple(zip(expert, count, price, strict=True)))


def _integers(duals: Floats) -> Ints:
    """Multipliers [types] as prices, int64."""
    return np.asarray(np.round(duals * 2**PRICE_BITS), dtype=np.int64)
