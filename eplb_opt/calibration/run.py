"""A calibration: steps measured, a cost fitted to some of them and judged by the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..problem.arrays import Floats
from .fit import FittedCost, fit, relative_errors
from .shape import ExpertShape
from .steps import Step, steps_to_fit, steps_to_judge

PASSES = 2  # over all steps: of a step the least time counts, as what disturbs a machine only adds to it
WARM_UP = 20  # steps before those that count, in which a GPU comes to its clock
Measure = Callable[[Step], float]  # seconds of a step
Progress = Callable[[int, int], None]  # measurements, of how many


@dataclass(frozen=True)
class Measured:
    """Steps and what they took.

    Attributes
    ----------
    steps : list of tuples of int
        Tokens of each expert of a rank.
    seconds : list of float
    """

    steps: list[Step]
    seconds: list[float]


@dataclass(frozen=True)
class Calibration:
    """A cost, what it was fitted to, and how far it is from steps that it was not fitted to.

    Attributes
    ----------
    shape : ExpertShape
    cost : FittedCost
    fitted, held_out : Measured
    """

    shape: ExpertShape
    cost: FittedCost
    fitted: Measured
    held_out: Measured

    @property
    def errors(self) -> Floats:
        """Predicted over measured time of the steps held out, less one, [steps]."""
        return relative_errors(self.cost, self.held_out.steps, self.held_out.seconds)

    @property
    def held_out_error(self) -> dict[str, Any]:
        """Median and worst of the errors' sizes, the worst step's tokens, and of how many steps."""
        sizes = np.abs(self.errors)
        worst = int(sizes.argmax())
        return {
            "median": float(np.median(sizes)),
            "worst": float(sizes[worst]),
            "worst_step": list(self.held_out.steps[worst]),
            "steps": len(sizes),
        }


def calibrated(
    shape: ExpertShape,
    measure: Measure,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Measure the steps of ranks with such experts, and fit what they cost.

    Parameters
    ----------
    shape : ExpertShape
    measure : callable
        Seconds of a step, whose tokens an expert it gets; `device.gpu_clock` measures them.
    seed : int, default 0
        Of the steps, and of the order in which they are measured.
    progress : callable, optional
        Called with (measurements, of how many).

    Returns
    -------
    Calibration

    Examples
    --------
    A machine that takes 1 ms to read an expert and 10 us for each token beyond what hides behind that:

    >>> found = calibrated(
    ...     ExpertShape(64, 32, 4), lambda step: sum(max(1e-3, 1e-5 * n) * (n > 0) for n in step)
    ... )
    >>> found.held_out_error["median"] < 0.01
    True
    """
    to_fit = steps_to_fit(shape.experts, seed)
    steps = to_fit + steps_to_judge(shape.experts, seed)
    seconds = _in_any_order(steps, measure, seed, progress)
    first = len(to_fit)
    fitted = Measured(steps[:first], seconds[:first])
    held_out = Measured(steps[first:], seconds[first:])
    cost = fit(fitted.steps, fitted.seconds)
    return Calibration(shape, cost, fitted, held_out)


def _in_any_order(
    steps: Sequence[Step], measure: Measure, seed: int, progress: Progress | None
) -> list[float]:
    """Seconds of each step; their order is random, so that a drift of the machine looks like no size of steps."""
    order = np.random.default_rng(seed).permutation(len(steps)).tolist()
    for number in order[:WARM_UP]:
        measure(steps[number])
    seconds = [math.inf] * len(steps)
    for done, number in enumerate(order * PASSES, 1):
        seconds[number] = min(seconds[number], measure(steps[number]))
        if progress is not None:
            progress(done, PASSES * len(steps))
    return seconds
