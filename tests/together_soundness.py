"""Random small pools with a cost, speeds and several windows at once against brute force.

``python -m tests.together_soundness 500 [SEED]``: as `tests.unequal_soundness`, whose pools that lack one of them are
drawn again.
"""

from __future__ import annotations

import numpy as np

from eplb_opt import Instance

from .campaign import run
from .cost_soundness import OBJECTIVES, faults
from .costs.unequal_pools import optimum_of, random_instance
from .costs_oracle import Curve


def has_all(instance: Instance) -> bool:
    """Whether costs, speeds and windows come together."""
    is_in_time = instance.objective.timed_by is not None
    return is_in_time and instance.rank_speeds is not None and instance.num_windows > 1


def drawn(random: np.random.Generator, across: str) -> tuple[Instance, Curve | None]:
    """A pool that has all of them."""
    instance, curve = random_instance(random, across)
    while not has_all(instance):
        instance, curve = random_instance(random, across)
    return instance, curve


def judged(random: np.random.Generator, number: int) -> tuple[object, list[str], float]:
    """A pool, its faults, and how far `refined` is above the optimum."""
    instance, curve = drawn(random, OBJECTIVES[number % len(OBJECTIVES)])
    return instance.describe(), *faults(instance, optimum_of(instance, curve))


if __name__ == "__main__":
    run(judged)
