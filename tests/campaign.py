"""Campaigns of random pools: numbered, seeded, their faults printed and counted."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

# The generator and the number of a pool -> what it is, its faults, and how far `refined` is above the optimum.
Judge = Callable[[np.random.Generator, int], tuple[object, list[str], float]]


def run(judge: Judge) -> None:
    """Judge as many pools as the first argument says, by the seed that the second one is, or 0.

    Parameters
    ----------
    judge : callable

    Raises
    ------
    SystemExit
        Always: 1 if there was a fault.
    """
    number = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    above = []
    wrong = 0
    for i in range(number):
        pool, found, distance = judge(np.random.default_rng([seed, i]), i)
        above.append(distance)
        for fault in found:
            wrong += 1
            print(f"seed {seed}, pool {i}, {pool}: {fault}")
    print(f"{number} pools, {wrong} faults; refined {np.mean(above):.3%} above the optimum, {max(above):.2%} at most")
    raise SystemExit(wrong > 0)


def random_load(random: np.random.Generator, windows: int, experts: int, silent: float = 0.1) -> np.ndarray:
    """Loads of one layer, [windows, 1, experts]: some whole, some with a silent first window, some experts alike."""
    load = random.lognormal(0, 1.2, (windows, 1, experts))
    if random.random() < 0.5:
        load = np.rint(load * 3)
    if random.random() < silent:
        load[0] = 0
    if random.random() < 0.3:
        load[:, :, -1] = load[:, :, 0]
    return load
