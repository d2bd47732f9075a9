"""Sampling: what a step's finite batch adds to the imbalance that expected loads have.

A step routes ``copies`` tokens, a token times its experts, each by itself to expert e with probability proportional to
its load; an expert's replicas share its tokens evenly. ``models/README.md`` (section 11) has the proofs of the bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .errors import OptionError, shown
from .problem.pool import Floats, Ints

MOST_COPIES = 2**32  # a step; sampling is below 0.1 % long before
DRAWS = 512  # simulated steps of an estimate
TRIED = 49  # exponents of the upper bound
OCTAVES = (
    6.0  # on either side of the exponent that would be best for equal normal loads
)
LARGEST_EXPONENT = 50.0
DEVIATIONS = 12.0  # of a rank's load: beyond, a probability is below a float's rounding
FURTHER = 40  # copies, where deviations are small
FINEST = 0.25  # copies between points of the lower bound's sum
POINTS_A_DEVIATION = 64
SLACK = 1e-9  # of rounding, on the safe side


@dataclass(frozen=True)
class StepImbalance:
    """Expected heaviest over mean rank load of steps with a finite batch.

    Attributes
    ----------
    expected_loads : float
        Of the expected loads, which is that of infinitely large batches: the map's part.
    lower, upper : float
        Proven bounds of the expectation.
    estimate, error : float
        Mean of simulated steps, and its standard error: an estimate, no proof.
    """

    expected_loads: float
    lower: float
    upper: float
    estimate: float
    error: float


def step_imbalance(
    loads: Floats, placed: Ints, copies: int, *, draws: int = DRAWS, seed: int = 0
) -> StepImbalance:
    """What steps of so many routed copies make of a layer's map.

    Parameters
    ----------
    loads : array [experts], float64
        Routed tokens of each expert; only their proportions matter.
    placed : array [ranks, slots a rank], int64
        The expert in every slot; each expert has a replica.
    copies : int
        Tokens a step, each counted once for every expert that it is routed to; at most 2^32.
    draws : int, default 512
        Simulated steps of the estimate.
    seed : int, default 0
        Of the simulation.

    Returns
    -------
    StepImbalance
        All ones where nothing was routed.

    Examples
    --------
    Two experts on two ranks, one token a step: it is on one rank, and the other has none.

    >>> import numpy as np
    >>> found = step_imbalance(np.array([1.0, 1.0]), np.array([[0], [1]]), 1)
    >>> found.expected_loads, found.estimate
    (1.0, 2.0)
    >>> found.lower <= 2.0 <= found.upper
    True
    """
    _check_count("copies", copies)
    total = loads.sum()
    if total <= 0:
        return StepImbalance(1.0, 1.0, 1.0, 1.0, 0.0)
    probabilities = loads / total
    carried = carried_shares(placed, len(loads))
    mean = 1 / len(placed)
    expected = float((probabilities @ carried).max() / mean)
    upper = _upper(probabilities, carried, copies) / mean
    lower = _lower(probabilities, carried, copies) / mean
    simulated = _simulated(probabilities, carried, copies, draws, seed) / mean
    return StepImbalance(
        expected,
        max(expected, lower),
        max(expected, upper),
        float(simulated.mean()),
        float(simulated.std(ddof=1) / math.sqrt(draws)) if draws > 1 else math.inf,
    )


def copies_of(tokens: int, top_k: int = 1) -> int:
    """Routed copies of a step: its tokens before routing times the experts of each.

    Raises
    ------
    OptionError
        One of them is no positive integer, or the product is too large.

    Examples
    --------
    >>> copies_of(4096, 8)
    32768
    """
    _check_count("tokens_per_step", tokens)
    _check_count("top_k", top_k)
    copies = tokens * top_k
    if copies > MOST_COPIES:
        raise OptionError(
            f"tokens_per_step={tokens} times top_k={top_k}: at most {MOST_COPIES} routed tokens a step"
        )
    return copies


def _check_count(name: str, value: object) -> None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not is_count:
        raise OptionError(f"{name}={shown(value)}: give an integer >= 1")


def carried_shares(placed: Ints, num_experts: int) -> Floats:
    """The share of each expert's tokens that each rank carries, [experts, ranks]."""
    held = np.zeros((num_experts, len(placed)))
    ranks = np.arange(len(placed))[:, None]
    np.add.at(held, (placed, ranks), 1.0)
    return np.asarray(held / held.sum(axis=1, keepdims=True))


def _upper(probabilities: Floats, carried: Floats, copies: int) -> float:
    """(N3): the least of bounds by moment generating functions, over the step's copies."""
    ranks = carried.shape[1]
    best = math.sqrt(2 * math.log(ranks + 1) * ranks / copies)
    exponents = best * 2 ** np.linspace(-OCTAVES, OCTAVES, TRIED)
    exponents = np.unique(np.minimum(exponents, LARGEST_EXPONENT))
    growth = np.stack([probabilities @ np.expm1(t * carried) for t in exponents])
    logs = copies * np.log1p(growth)
    largest = logs.max(axis=1)
    added = np.log(np.exp(logs - largest[:, None]).sum(axis=1))
    bounds = (largest + added) / (exponents * copies)
    return float(bounds.min()) * (1 + SLACK)


def _lower(probabilities: Floats, carried: Floats, copies: int) -> float:
    """(N4): ranks as if they were independent, of experts on one rank only, over the step's copies."""
    is_alone = carried.max(axis=1) >= 1.0
    alone = probabilities[is_alone] @ carried[is_alone]
    others = probabilities[~is_alone] @ carried[~is_alone]
    shared = others.sum()
    lost = 0.0
    if shared > 0:
        part = others / shared
        deviation = math.sqrt(copies * shared * max(0.0, 1 - shared))
        lost = (part.max() - part.min()) / 2 * deviation
    largest = _largest_of_independent(alone, others * copies, copies)
    return (largest - lost) / copies * (1 - SLACK)


def _largest_of_independent(chances: Floats, shifts: Floats, copies: int) -> float:
    """At most the mean of the largest of independent binomial loads, each shifted.

    Parameters
    ----------
    chances : array [ranks], float64
        Of a copy.
    shifts : array [ranks], float64
        Copies.
    """
    means = copies * chances
    deviations = np.sqrt(means * np.maximum(0.0, 1 - chances))
    reach = DEVIATIONS * deviations + FURTHER
    first = max(0.0, math.floor((means + shifts).max() - reach.max()))
    last = math.ceil((means + shifts + reach).max())
    step = float(deviations.max()) / POINTS_A_DEVIATION
    # Without shifts every load is whole, and nothing is lost between whole points.
    step = max(FINEST, step) if shifts.any() else max(1.0, math.floor(step))
    points = first + step * np.arange(math.ceil((last - first) / step) + 1)
    below = np.ones(len(points))  # that all ranks are below a point
    for chance, shift in zip(chances, shifts, strict=True):
        slack = SLACK * copies if shift else 0.0
        smaller = np.ceil(points - shift + slack) - 1
        below *= _at_most(smaller, float(chance), copies)
    reached = 1 - below
    return float(first * reached[0] + step * reached[1:].sum())


def _at_most(values: Floats, chance: float, copies: int) -> Floats:
    """Probability that a binomial number is at most each of some integers."""
    if chance <= 0 or chance >= 1:
        return (values >= (copies if chance >= 1 else 0)).astype(np.float64)
    mean = copies * chance
    reach = DEVIATIONS * math.sqrt(mean * (1 - chance)) + FURTHER
    first = max(0, math.floor(mean - reach))
    last = min(copies, math.ceil(mean + reach))
    numbers = np.arange(first, last)
    odds = chance / (1 - chance)
    logs = np.log((copies - numbers) / (numbers + 1) * odds)
    logs = np.concatenate(([0.0], np.cumsum(logs)))
    masses = np.exp(logs - logs.max())
    summed = np.concatenate(([0.0], np.cumsum(masses)))
    place = np.clip(values - first + 1, 0, len(masses)).astype(np.int64)
    return np.asarray(np.minimum(1.0, summed / summed[-1])[place])


def _simulated(
    probabilities: Floats, carried: Floats, copies: int, draws: int, seed: int
) -> Floats:
    """Heaviest rank of simulated steps over the copies of a step, [draws]."""
    random = np.random.default_rng(seed)
    counts = random.multinomial(copies, probabilities / probabilities.sum(), draws)
    return np.asarray((counts @ carried).max(axis=1) / copies)
