"""A digest of loads, by which a report says what it is of."""

from __future__ import annotations

import hashlib

from ..problem.pool import Floats, Ints


def loads_digest(load: Floats) -> str:
    """SHA-256 of loads, equal for equal numbers whatever file they came from.

    Parameters
    ----------
    load : array [windows, layers, experts], float64
        As `Instance.load` has it.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> from eplb_opt import Instance
    >>> loads_digest(Instance([[3, 1]], 2, num_ranks=2).load)[:16]
    '116929f289e370ae'
    """
    shape = " ".join(str(size) for size in load.shape)
    digest = hashlib.sha256(f"{shape}\n".encode())
    without_signs = load + 0.0  # a negative zero equals zero
    digest.update(without_signs.astype("<f8").tobytes())
    return digest.hexdigest()


def map_digest(slots: Ints) -> str:
    """SHA-256 of a map in use.

    Parameters
    ----------
    slots : array [layers, ranks, slots a rank], int64
        The expert in every slot, -1 where there is none.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    shape = " ".join(str(size) for size in slots.shape)
    digest = hashlib.sha256(f"{shape}\n".encode())
    digest.update(slots.astype("<i8").tobytes())
    return digest.hexdigest()
