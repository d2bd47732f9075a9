"""Random small pools on unequal ranks against brute force: ``python -m tests.unequal_soundness 500 [SEED]``.

With random costs that never fall or none, speeds, slots and windows: as `tests.cost_soundness`.
"""

from __future__ import annotations

import sys

import numpy as np

from .cost_soundness import OBJECTIVES, faults
from .costs.unequal_pools import optimum_of, random_instance


def main() -> None:
    """Compare and count."""
    number = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    above = []
    wrong = 0
    for i in range(number):
        across = OBJECTIVES[i % len(OBJECTIVES)]
        instance, curve = random_instance(np.random.default_rng([seed, i]), across)
        found, distance = faults(instance, optimum_of(instance, curve))
        above.append(distance)
        for fault in found:
            wrong += 1
            print(f"seed {seed}, pool {i}, {instance.describe()}: {fault}")
    print(f"{number} pools, {wrong} faults; refined {np.mean(above):.3%} above the optimum, {max(above):.2%} at most")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
