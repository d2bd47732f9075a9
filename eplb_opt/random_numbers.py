"""Random numbers of compiled code: splitmix64, the same on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Words = npt.NDArray[np.uint64]


@compiled
def draw(rng: Words) -> np.uint64:
    """The next 64 random bits (splitmix64) of the state ``rng``, [1]."""
    rng[0] += np.uint64(0x9E3779B97F4A7C15)
    z = rng[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))  # type: ignore[no-any-return]


@compiled
def below(rng: Words, n: int) -> int:
    """A random integer from 0 to n - 1, n < 2^31."""
    return np.int64(((draw(rng) >> np.uint64(33)) * np.uint64(n)) >> np.uint64(31))  # type: ignore[return-value]


@compiled
def uniform(rng: Words) -> float:
    """A random float from [0, 1)."""
    return np.float64(draw(rng) >> np.uint64(11)) * 2.0**-53
