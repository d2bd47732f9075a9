"""Random small pools on unequal ranks against brute force: ``python -m tests.unequal_soundness 500 [SEED]``.

With random costs that never fall or none, speeds, slots and windows: as `tests.cost_soundness`.
"""

from __future__ import annotations

import numpy as np

from .campaign import run
from .cost_soundness import OBJECTIVES, faults
from .costs.unequal_pools import optimum_of, random_instance


def judged(random: np.random.Generator, number: int) -> tuple[object, list[str], float]:
    """A pool, its faults, and how far `refined` is above the optimum."""
    instance, curve = random_instance(random, OBJECTIVES[number % len(OBJECTIVES)])
    return instance.describe(), *faults(instance, optimum_of(instance, curve))


if __name__ == "__main__":
    run(judged)
