"""What a page about maps shows: maps of the same loads side by side, and the bound that is proven of all maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..problem.cost import Cost
from ..problem.instance import Instance
from ..problem.pool import Floats, Ints
from ..problem.ranks import Ranks
from ..problem.value import mean_times, rank_times

Row = Mapping[str, Any]
MEAN = "the mean"  # of the ranks of each map


@dataclass(frozen=True, eq=False)
class ShownMap:
    """A map that a page shows.

    Parameters
    ----------
    name : str
        The method that made it, or what it is.
    imbalance : array [layers], float64
        The objective over the mean rank load: heaviest over mean rank load, of several windows what counts of them.
    slots : array [layers, ranks, slots a rank], int64, optional
        The expert in every slot, -1 where it is empty; None: only the imbalance is known.
    seconds : float, optional
        What it took to find it.
    sampling : mapping, optional
        What steps of finite size add to its imbalance, as ``gap --tokens-per-step`` says it.
    """

    name: str
    imbalance: Floats
    slots: Ints | None = None
    seconds: float | None = None
    sampling: Row | None = None


@dataclass(frozen=True, eq=False)
class Study:
    """Maps of the same loads.

    Parameters
    ----------
    description : str
        Loads and topology in a line.
    layer_ids : tuple of int
        Absolute layer index of each row.
    bound : array [layers], float64
        Proven lower bound of the imbalance of every map.
    proofs : tuple of str
        What proved the bound, one a layer.
    gap_limit : float
        The gap up to which a layer counts as OPTIMAL.
    maps : tuple of ShownMap
        The simplest first.
    before, after : str
        Names of the map to start from and of the map to have.
    instance : Instance or None
        None: the loads are not known, but only what was found.
    windows : tuple of str
        Labels of the windows.
    layers : sequence of mappings
        What a report says of the layers of ``after``; empty if there is no report.
    slots : int or None
        Of all layers; for the share of them that moves.
    notes : sequence of str
        What was said of options and files.
    mean : str
        What all imbalances are over, in words.
    is_timed : bool
        Whether ranks are compared by the time that a cost gives them, not by tokens.
    tokens_per_step : int or None
        Of the steps whose sampling is known.
    """

    description: str
    layer_ids: tuple[int, ...]
    bound: Floats
    proofs: tuple[str, ...]
    gap_limit: float
    maps: tuple[ShownMap, ...]
    before: str
    after: str
    instance: Instance | None = None
    windows: tuple[str, ...] = ()
    layers: Sequence[Row] = ()
    slots: int | None = None
    notes: Sequence[str] = ()
    mean: str = MEAN
    is_timed: bool = False
    tokens_per_step: int | None = None

    def map_named(self, name: str) -> ShownMap:
        """The map of a name."""
        return next(shown for shown in self.maps if shown.name == name)

    @property
    def slots_of(self) -> dict[str, Ints]:
        """The slots of the maps in which they are known, by name."""
        return {
            shown.name: shown.slots for shown in self.maps if shown.slots is not None
        }

    @property
    def is_compared(self) -> bool:
        """Whether there is another map than the one to have."""
        return self.before != self.after

    @property
    def moves(self) -> list[int] | None:
        """Replicas that move from the map in use, [layers]; None without one."""
        found: list[Any] = [layer.get("moves") for layer in self.layers]
        return None if not found or None in found else found

    def gaps(self, shown: ShownMap) -> Floats:
        """How far a map may be above the best one, [layers]: imbalance / bound - 1."""
        infinite = np.full_like(self.bound, np.inf)
        is_proven = self.bound > 0
        ratio = np.divide(shown.imbalance, self.bound, out=infinite, where=is_proven)
        gaps: Floats = np.maximum(ratio - 1, 0.0)
        return gaps


def rank_loads(
    slots: Ints,
    weight: Floats,
    cost: Cost | None = None,
    unequal: Ranks | None = None,
) -> Floats:
    """Load of each rank over the mean of all ranks, [layers, ranks]; 1 where nothing was routed.

    Parameters
    ----------
    slots : array [layers, ranks, slots a rank], int64
        -1 for an empty slot.
    weight : array [layers, experts], float64
    cost : Cost, optional
        Times in place of loads: what a replica takes for its tokens.
    unequal : Ranks, optional
        Speeds, which loads are over, and slots: those that are none are -1, too.

    Examples
    --------
    >>> rank_loads(np.array([[[0, 1], [2, -1]]]), np.array([[2.0, 1.0, 1.0]])).tolist()
    [[1.5, 0.5]]
    """
    layers, experts = weight.shape
    if unequal is not None:
        loads = rank_times(weight[:, None], slots, cost, unequal)[:, 0]
    else:
        padded = np.zeros((layers, 1, experts + 1))
        padded[:, 0, :experts] = weight
        loads = rank_times(padded, np.where(slots < 0, experts, slots), cost)[:, 0]
    mean = mean_times(loads, unequal)[:, None]
    relative: Floats = np.divide(loads, mean, out=np.ones_like(loads), where=mean > 0)
    return relative


def window_imbalance(slots: Ints, instance: Instance) -> Floats:
    """Heaviest over mean rank load, or time, in each window, [windows, layers]; a slot may be empty.

    Examples
    --------
    >>> instance = Instance([[[1, 3]], [[2, 2]]], 2, num_ranks=2)
    >>> window_imbalance(np.array([[[0], [1]]]), instance).tolist()
    [[1.5], [1.0]]
    """
    cost = instance.objective.timed_by
    loads = (
        instance.load if cost is None else instance.objective.step_loads(instance.load)
    )
    ranks = instance.unequal
    of_windows = [rank_loads(slots, window, cost, ranks) for window in loads]
    return np.asarray(np.stack(of_windows).max(axis=2))


def replica_counts(slots: Ints, num_experts: int) -> Ints:
    """Replicas of each expert, [layers, experts].

    Examples
    --------
    >>> replica_counts(np.array([[[0, 1], [0, -1]]]), 3).tolist()
    [[2, 1, 0]]
    """
    flat = slots.reshape(len(slots), -1)
    counts = [np.bincount(row[row >= 0], minlength=num_experts) for row in flat]
    return np.array(counts, dtype=np.int64)
