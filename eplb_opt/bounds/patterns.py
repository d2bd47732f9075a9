"""L2: a lower bound from the linear program over rank contents, proven in integers (models/README.md, section 8)."""

from __future__ import annotations

import math
import time

import numpy as np

from ..certificates.mean import trivial_bound
from ..certificates.patterns import PatternCertificate, cheapest_counts
from ..certificates.rank_model import Model, rank_model
from ..problem.pool import Floats, Ints, Pool
from .pattern_list import list_all
from .pattern_lp import multipliers

PRICE_BITS = 30  # multipliers, from -1 to 1, are rounded to multiples of 2**-PRICE_BITS
MOST_PATTERNS = 200_000  # listed for a linear program
STEPS = 8  # halvings of the interval between the last target proven and the first not proven


def pattern_bound(
    pool: Pool, upper: float, gap: float = 1e-4, seconds: float | None = None, lower: float = 0.0
) -> tuple[float, PatternCertificate | None]:
    """A proven lower bound of a pool, and its certificate (None: ``lower`` or L0 is the bound).

    Parameters
    ----------
    upper : float
        An objective known to be reachable: the search ends at ``upper / (1 + gap)``.
    gap : float
        Relative; gains below a twentieth of it are not pursued.
    seconds : float or None
        Wall-clock limit. None: deterministic.
    lower : float
        A bound that is proven already.

    Returns
    -------
    bound : float
        In units of load; the certificate's target, or what was known before: never less than ``lower`` and L0.
    certificate : PatternCertificate or None
        Has passed ``holds``: the bound is valid whatever the LP solver does.
    """
    deadline = math.inf if seconds is None else time.perf_counter() + seconds
    low, best = max(lower, trivial_bound(pool)[0]), None
    high = upper / (1 + gap)
    target, bisecting = min(low * (1 + gap), high), False
    for _ in range(4 * STEPS):
        if not low < target or time.perf_counter() >= deadline:
            break
        proof = _prove(pool, target, deadline)
        if proof is not None:
            step, low, best = target - low, target, proof
            target = (low + high) / 2 if bisecting else min(low + 2 * step, high)
        else:
            bisecting, high = True, target
            target = (low + high) / 2
        if high - low <= gap * low / 20 and bisecting:
            break
    return low, best


def _surplus(pool: Pool, model: Model, types: Ints, prices: Ints) -> float:
    """By how much the cheapest counts cost more than ranks can be worth; prices [types], int64."""
    return cheapest_counts(pool, model, prices) - pool.ranks * int(prices[types].sum(axis=1).max())


def _prove(pool: Pool, target: float, deadline: float) -> PatternCertificate | None:
    """A certificate for the target, or None: the linear program has a solution, is too large, or was stopped."""
    model = rank_model(pool, target)
    if model is None:
        return PatternCertificate(target, ())
    patterns = list_all(pool, model, MOST_PATTERNS)
    if patterns is None:
        return None
    if not len(patterns[0]):  # no rank content is within the limits
        return PatternCertificate(target, ())
    listed = patterns[0]
    found = multipliers(
        pool, model, listed, lambda duals: _surplus(pool, model, listed, _integers(duals)), deadline
    )  # fmt: skip
    if found is None:
        return None
    prices = _integers(found)
    used = np.flatnonzero(prices)
    columns = (model.order[model.expert[used]], model.count[used], prices[used])
    return PatternCertificate(target, tuple(zip(*(column.tolist() for column in columns), strict=True)))


def _integers(duals: Floats) -> Ints:
    return np.asarray(np.round(duals * 2**PRICE_BITS), dtype=np.int64)
