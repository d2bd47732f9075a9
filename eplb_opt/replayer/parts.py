"""Parts of an imbalance: which is the map's, which the traffic's drift, which is sampling in finite batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..sampling import StepImbalance, step_imbalance

MOST_WINDOWS = 8  # of the served ones, evenly spaced, whose steps are looked at
DRAWS = 128  # simulated steps of each of them and each layer


@dataclass(frozen=True)
class Parts:
    """What the mean imbalance above 1 is made of; the first three and 1 add up to a step's.

    Attributes
    ----------
    map : float
        In the windows that were planned on, in infinitely large batches.
    drift : float
        What is added in the windows that came.
    sampling : float
        What finite batches add to that: an estimate by simulation.
    sampling_error : float
        Its standard error.
    sampling_lower, sampling_upper : float
        Proven bounds of the expectation.
    windows : int
        Served windows in which sampling was looked at.
    """

    map: float
    drift: float
    sampling: float
    sampling_error: float
    sampling_lower: float
    sampling_upper: float
    windows: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Sampling:
    """Steps of finite batches, the mean over windows and layers; fields as of `StepImbalance`, and the windows."""

    expected_loads: float
    lower: float
    upper: float
    estimate: float
    error: float
    windows: int

    def added(self) -> dict[str, float]:
        """What finite batches add to the imbalance of expected loads, by the names of `Parts`."""
        return {
            "sampling": self.estimate - self.expected_loads,
            "sampling_error": self.error,
            "sampling_lower": self.lower - self.expected_loads,
            "sampling_upper": self.upper - self.expected_loads,
        }


def parts_of(seen: float, unseen: float, sampling: Sampling) -> Parts:
    """The parts of a policy's imbalance.

    Parameters
    ----------
    seen, unseen : float
        Mean imbalance in the windows that were planned on, and in those that were served.
    sampling : Sampling
        Of the latter.
    """
    return Parts(seen - 1, unseen - seen, **sampling.added(), windows=sampling.windows)


def sampling_of(
    placement_at: Callable[[int], Placement],
    instance: Instance,
    windows: Sequence[int],
    copies: int,
) -> Sampling:
    """What steps in some of these windows, evenly spaced, would show.

    Parameters
    ----------
    placement_at : callable
        From a window to the map that serves it.
    instance : Instance
        Of all windows.
    windows : sequence of int
    copies : int
        Routed tokens of a step.
    """
    places = np.linspace(0, len(windows) - 1, min(MOST_WINDOWS, len(windows)))
    chosen = [windows[round(place)] for place in places.tolist()]
    steps = [
        step
        for window in chosen
        for step in _steps(placement_at(window), instance, window, copies)
    ]
    squares = sum(step.error**2 for step in steps)
    return Sampling(
        float(np.mean([step.expected_loads for step in steps])),
        float(np.mean([step.lower for step in steps])),
        float(np.mean([step.upper for step in steps])),
        float(np.mean([step.estimate for step in steps])),
        math.sqrt(squares) / len(steps),
        len(chosen),
    )


def _steps(
    placement: Placement, instance: Instance, window: int, copies: int
) -> list[StepImbalance]:
    """Steps of a window's traffic, one item a layer; every layer and window has a seed of its own."""
    layers = instance.num_layers
    placed = placement.phy2log.reshape(layers, instance.num_ranks, -1)
    return [
        step_imbalance(
            instance.load[window, layer],
            placed[layer],
            copies,
            draws=DRAWS,
            seed=window * layers + layer,
        )
        for layer in range(layers)
    ]
