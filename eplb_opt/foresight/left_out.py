"""Whether plans over windows help: judged on windows that were left out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..heuristics.refine import refined
from ..problem.instance import Instance
from ..problem.placement import Placement
from .plan import plan_windows

FEWEST = 4  # windows, of which two can be left out


@dataclass(frozen=True)
class LeftOut:
    """Mean imbalance on windows that were left out, planned on the others in two ways.

    Attributes
    ----------
    summed : float
        Planned on the sum of the others (by `refined`).
    planned : float
        Planned over the others.
    """

    summed: float
    planned: float

    @property
    def helps(self) -> bool:
        """Whether the plan over windows is the more even one."""
        return self.planned < self.summed


def left_out(instance: Instance, *, workers: int = 1) -> LeftOut | None:
    """Plan on every other window and judge on the rest, both ways round.

    A plan over few windows that each mix all traffic learns them by heart, and is worse on others than that for their
    sum; windows of one kind of traffic, or many, are what helps.

    Parameters
    ----------
    instance : Instance
        Of an objective over windows.
    workers : int, default 1
        Threads.

    Returns
    -------
    LeftOut or None
        None for fewer than four windows.

    Examples
    --------
    Two kinds of traffic: experts 0 and 3 are hot together, and so are 1 and 2. The sum cannot tell.

    >>> from eplb_opt import Instance, Objective
    >>> kinds = [[[9, 1, 1, 9]], [[9, 1, 1, 9]], [[1, 9, 9, 1]], [[1, 9, 9, 1]]]
    >>> left_out(Instance(kinds, 4, num_ranks=2, objective=Objective("mean"))).helps
    True
    """
    if instance.num_windows < FEWEST:
        return None
    halves = [_part(instance, first) for first in (0, 1)]
    summed = []
    planned = []
    for seen, unseen in (halves, halves[::-1]):
        summed.append(_judged(refined(seen), unseen))
        planned.append(_judged(plan_windows(seen, workers=workers), unseen))
    return LeftOut(float(np.mean(summed)), float(np.mean(planned)))


def _part(instance: Instance, first: int) -> Instance:
    """Every other window."""
    weights = instance.objective.weights
    if weights is not None:
        weights = weights[first::2]
    objective = replace(instance.objective, weights=weights)
    return replace(instance, load=instance.load[first::2], objective=objective)


def _judged(placement: Placement, unseen: Instance) -> float:
    return float(placement.objective(unseen).mean())
