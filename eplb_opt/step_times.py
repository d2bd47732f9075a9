"""Step times: the slowest rank of steps of a finite batch, by simulation; an estimate, no bound rests on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .problem.cost import Cost
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.pool import Floats, Ints
from .problem.ranks import Ranks

DRAWS = 256  # simulated steps of a window


@dataclass(frozen=True)
class StepTime:
    """The expected time of a layer's step, in the cost's unit: that of its slowest rank.

    Attributes
    ----------
    step_time : float
        Mean of simulated steps.
    step_time_error : float
        Its standard error.
    """

    step_time: float
    step_time_error: float


def step_times(
    instance: Instance, placement: Placement, *, draws: int = DRAWS, seed: int = 0
) -> tuple[StepTime, ...] | None:
    """The expected step time of every layer's map; None without a cost, or without the tokens of a step.

    A step's routed tokens are independent of each other, each of an expert with the probability that the loads say; an
    expert's replicas share its tokens evenly, and the slowest rank is the step's time. Over windows it is their mean by
    shares, and where windows are added that of their sum.

    Parameters
    ----------
    instance : Instance
    placement : Placement
        Valid for the instance.
    draws : int, default 256
        Simulated steps of each window, at least 2.
    seed : int, default 0

    Returns
    -------
    tuple of StepTime, one a layer, or None
        Layers and windows are simulated independently of each other, so that squares of standard errors add up.

    Examples
    --------
    One token a step, on one of two ranks: the slowest rank takes 40 us, the mean of both is half of it.

    >>> from eplb_opt import Cost, Objective
    >>> objective = Objective(cost=Cost.roofline(40.0, 0.1), tokens_per_step=1, top_k=1)
    >>> instance = Instance([[1.0, 1.0]], 2, num_ranks=2, objective=objective)
    >>> step_times(instance, Placement([[0, 1]], 2))
    (StepTime(step_time=40.0, step_time_error=0.0),)
    """
    objective = instance.objective
    if objective.cost is None or objective.tokens_per_step is None:
        return None
    copies = objective.tokens_per_step * objective.top_k
    placed = instance.by_rank(placement.phy2log)
    counts = placement.counts()
    return tuple(
        _over_windows(
            instance,
            layer,
            placed[layer],
            counts[layer],
            objective.cost,
            copies,
            draws,
            seed,
        )
        for layer in range(instance.num_layers)
    )


def _over_windows(
    instance: Instance,
    layer: int,
    placed: Ints,
    counts: Ints,
    cost: Cost,
    copies: int,
    draws: int,
    seed: int,
) -> StepTime:
    """A layer's step time: the mean of its windows by their shares."""
    if instance.objective.adds_windows:
        windows = instance.weight[layer][None]
        shares = np.ones(1)
    else:
        windows = instance.load[:, layer]
        shares = instance.shares[:, layer]
    mean = 0.0
    variance = 0.0
    layer_id = (instance.layer_ids or ())[layer]
    random = np.random.default_rng((seed, layer_id))
    for loads, share in zip(windows, shares.tolist(), strict=True):
        if share == 0:
            continue
        slowest = _slowest(
            loads, placed, counts, cost, copies, draws, random, instance.unequal
        )
        mean += share * float(slowest.mean())
        variance += share**2 * float(slowest.var(ddof=1)) / draws
    return StepTime(mean, math.sqrt(variance))


def _slowest(
    loads: Floats,
    placed: Ints,
    counts: Ints,
    cost: Cost,
    copies: int,
    draws: int,
    random: np.random.Generator,
    unequal: Ranks | None,
) -> Floats:
    """The slowest rank of each simulated step, [draws]; without loads nothing is routed."""
    total = loads.sum()
    routed = np.zeros((draws, loads.size))
    if total > 0:
        routed = random.multinomial(copies, loads / total, draws).astype(np.float64)
    of_replica = cost(routed / counts)
    if unequal is not None:  # what is in no slot takes nothing: -1 is the last one
        of_replica = np.concatenate((of_replica, np.zeros((draws, 1))), axis=1)
    times = of_replica[:, placed].sum(axis=2) + cost.per_rank
    times = times if unequal is None else unequal.times(times)
    return np.asarray(times.max(axis=1))
