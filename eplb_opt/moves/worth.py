"""The imbalance of slots of which some may be empty: of a map in use, and of the maps on the way to the next one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from ..problem.value import rank_times
from .held import slots_in_use


def imbalance_of(slots: Ints, instance: Instance) -> Floats:
    """What the instance's objective makes of slots, over the mean rank load, [layers].

    Parameters
    ----------
    slots : array [layers, ranks, slots a rank], int64
        The expert in every slot, -1 where it is empty; of any number of ranks.
    instance : Instance

    Returns
    -------
    array [layers], float64
        1 where nothing was routed; infinite where an expert has no replica.

    Examples
    --------
    >>> instance = Instance([[8, 3, 1]], num_replicas=4, num_ranks=2)
    >>> float(imbalance_of(np.array([[[0, 1], [2, -1]]]), instance)[0])
    1.8333333333333333
    """
    ranks = slots.shape[1]
    if instance.objective.adds_windows:
        times = _times(instance.weight[:, None, :], slots)
        mean = instance.weight.sum(axis=1) / ranks
        value = _over(times.max(axis=2)[:, 0], mean)
    else:
        times = _times(instance.load.transpose(1, 0, 2), slots)
        means = instance.load.sum(axis=2) / ranks
        imbalance = _over(times.max(axis=2).T, means)
        value = instance.objective.of_imbalance(imbalance, instance.shares)
    return np.where(_lacks_experts(slots, instance), math.inf, value)


def _times(loads: Floats, slots: Ints) -> Floats:
    """Load of each rank, [layers, windows, ranks]; an empty slot is one of an expert without load."""
    layers, windows, experts = loads.shape
    padded = np.zeros((layers, windows, experts + 1))
    padded[:, :, :experts] = loads
    return rank_times(padded, np.where(slots < 0, experts, slots))


def _over(heaviest: Floats, mean: Floats) -> Floats:
    return np.divide(heaviest, mean, out=np.ones_like(mean), where=mean > 0)


def _lacks_experts(slots: Ints, instance: Instance) -> Ints:
    """Whether an expert has no replica, [layers]."""
    layers = len(slots)
    held = np.zeros((layers, instance.num_experts + 1), dtype=np.bool_)
    np.put_along_axis(held, slots.reshape(layers, -1), True, axis=1)
    return np.asarray(~held[:, : instance.num_experts].all(axis=1))


def own_slots(previous: Placement, instance: Instance) -> Ints:
    """The slots of a map in use on its own ranks, also those that the instance has no longer.

    Parameters
    ----------
    previous : Placement
        See `held.slots_in_use`.
    instance : Instance

    Returns
    -------
    array [layers, ranks of ``previous``, slots a rank of ``previous``], int64

    Raises
    ------
    InstanceError
        ``previous`` is of another model.

    Examples
    --------
    >>> instance = Instance([[8, 3, 1]], num_replicas=4, num_ranks=2)
    >>> own_slots(Placement([[0, 1, 0, 2, 0, 1]], num_experts=3), instance).tolist()
    [[[0, 1], [0, 2], [0, 1]]]
    """
    ranks = ranks_of(previous, instance)
    if ranks <= instance.num_ranks:
        return slots_in_use(previous, instance)[:, :ranks]
    slots = ranks * instance.slots_per_rank
    # Which ranks are on which node has no effect on what slots hold.
    wider = replace(
        instance,
        num_replicas=slots,
        num_ranks=ranks,
        num_groups=1,
        num_nodes=1,
        distinct=False,
    )
    return slots_in_use(previous, wider)


def ranks_of(previous: Placement, instance: Instance) -> int:
    """Ranks of a map in use: those it says, else as many as its slots fill with the instance's slots a rank."""
    if previous.num_ranks is not None:
        return previous.num_ranks
    slots: int = previous.phy2log.shape[1]
    return -(-slots // instance.slots_per_rank)
