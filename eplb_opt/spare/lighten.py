"""Maps with spare replicas made lighter: what the compiled search is told, and what it finds."""

from __future__ import annotations

import numpy as np

from ..moves.held import Bools
from ..packages import is_usable
from ..problem.instance import Instance
from ..problem.pool import Floats, Ints

# What a proposal may make worse at first and at last, of the mean rank load; where slots are few, each weighs more.
FIRST = 1e-2
FIRST_OF_FEW = 3e-1
LAST = 1e-5
FEW_SLOTS = 64
STAGES = 24
LEAST_PROPOSALS = 8_000
PROPOSALS_A_SLOT = 100
MOST_PROPOSALS = 60_000
OVER_WINDOWS = 4  # times as many
NO_LIMIT = 1 << 40  # moves


def lightened(
    instance: Instance,
    layer: int,
    slots: Ints,
    units: Ints,
    held: Bools | None = None,
    limit: int | None = None,
) -> Ints:
    """A map with spare replicas that is lighter by the instance's objective, or the same; the same without numba.

    Parameters
    ----------
    instance : Instance
    layer : int
        Row of the instance.
    slots : array [ranks, slots a rank], int64
        In which every expert is on two units at least.
    units : array [ranks], int64
        What fails together.
    held : array [ranks, experts], bool, optional
        What each rank holds in the map in use, where moves are limited.
    limit : int, optional
        Moves, at most: those of ``slots``, where these are more.

    Returns
    -------
    array [ranks, slots a rank], int64
    """
    if instance.mean[layer] <= 0 or not is_usable("numba"):
        return slots
    from .kernel import search

    loads, caps = _windows(instance, layer)
    if held is None:
        held = np.ones((instance.num_ranks, instance.num_experts), dtype=np.bool_)
    proposals = np.clip(PROPOSALS_A_SLOT * slots.size, LEAST_PROPOSALS, MOST_PROPOSALS)
    proposals *= OVER_WINDOWS if len(caps) > 1 else 1
    first = FIRST_OF_FEW if slots.size <= FEW_SLOTS else FIRST
    found = slots.copy()
    search(
        loads,
        caps,
        found,
        units,
        instance.ranks_per_pool,
        held.astype(np.int64),
        NO_LIMIT if limit is None else limit,
        instance.distinct,
        np.geomspace(first, LAST, STAGES),
        int(proposals) // STAGES,
        np.zeros(1, dtype=np.uint64),
    )
    return found


def _windows(instance: Instance, layer: int) -> tuple[Floats, Floats]:
    """Loads [experts, windows] in units of the mean rank load, and caps: of one window where they are added."""
    if instance.objective.adds_windows:
        loads = instance.weight[layer, :, None] / instance.mean[layer]
        return np.ascontiguousarray(loads), np.ones(1)
    shares = instance.shares[:, [layer]]
    counts = np.flatnonzero(shares[:, 0] > 0)
    caps = instance.objective.caps(shares)[counts, 0]
    loads = instance.normalised_layer(layer)[counts].T
    return np.ascontiguousarray(loads), np.ascontiguousarray(caps)


def compile_search() -> None:
    """Compile the search: some seconds once on a machine, less in later processes."""
    instance = Instance([[3.0, 2.0, 1.0]], 6, num_ranks=2)
    slots = np.array([[0, 1, 2], [0, 1, 2]])
    lightened(instance, 0, slots, np.arange(2))
