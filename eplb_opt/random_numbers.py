"""Random numbers of compiled code: splitmix64, the same on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Words = npt.NDArray[np.uint64]

# Splitmix64's constants: Steele, Lea and Flood, 2014.
STEP = np.uint64(0x9E3779B97F4A7C15)
FACTOR_1 = np.uint64(0xBF58476D1CE4E5B9)
FACTOR_2 = np.uint64(0x94D049BB133111EB)
SHIFT_1 = np.uint64(30)
SHIFT_2 = np.uint64(27)
SHIFT_3 = np.uint64(31)
# Shifts that leave so many bits: the upper ones are the best mixed.
UPPER_31 = np.uint64(33)
UPPER_53 = np.uint64(11)
BITS_31 = np.uint64(31)


@compiled
def mixed(bits):  # type: ignore[no-untyped-def]
    """Two rounds of xorshift and multiply, and a last xorshift: every bit reaches every bit of the result.

    Parameters
    ----------
    bits : uint64 or array of uint64

    Returns
    -------
    uint64 or array of uint64
    """
    bits = (bits ^ (bits >> SHIFT_1)) * FACTOR_1
    bits = (bits ^ (bits >> SHIFT_2)) * FACTOR_2
    return bits ^ (bits >> SHIFT_3)


@compiled
def numbered(counter):  # type: ignore[no-untyped-def]
    """The bits that `draw` gives at this number, from state 0; of arrays number by number."""
    return mixed((counter + np.uint64(1)) * STEP)


@compiled
def draw(rng: Words) -> np.uint64:
    """The next 64 random bits (splitmix64).

    Parameters
    ----------
    rng : array [1], uint64
        The state; changed.

    Returns
    -------
    uint64
    """
    rng[0] += STEP
    return mixed(rng[0])  # type: ignore[no-any-return]


@compiled
def below(rng: Words, n: int) -> int:
    """A random integer from 0 to n - 1.

    Parameters
    ----------
    rng : array [1], uint64
        The state; changed.
    n : int
        From 1 to 2^31 - 1.

    Returns
    -------
    int64
    """
    # A fraction of 2^31: times n, it has no overflow, and no division is needed.
    fraction = draw(rng) >> UPPER_31
    scaled = fraction * np.uint64(n)
    return np.int64(scaled >> BITS_31)  # type: ignore[return-value]


@compiled
def uniform(rng: Words) -> float:
    """A random float from [0, 1).

    Parameters
    ----------
    rng : array [1], uint64
        The state; changed.

    Returns
    -------
    float
        A multiple of 2^-53, which every float64 in the interval's upper half is.
    """
    mantissa = draw(rng) >> UPPER_53
    return np.float64(mantissa) * 2.0**-53
