"""Spare replicas: maps in which any one rank, or node, may fail and every expert still has a replica."""

from __future__ import annotations

import numpy as np

from ..errors import InstanceError, OptionError, shown
from .instance import Instance
from .placement import Placement
from .pool import Ints

SPARE = ("rank", "node")  # what may fail
COPIES = 2  # of every expert at least, as one of them may be lost


def units_of(instance: Instance, spare: str) -> Ints:
    """What fails together: the unit that each rank is in, [ranks].

    Parameters
    ----------
    instance : Instance
    spare : {"rank", "node"}

    Examples
    --------
    >>> instance = Instance([[8, 3, 1]], num_replicas=8, num_ranks=4, num_nodes=2)
    >>> units_of(instance, "rank").tolist(), units_of(instance, "node").tolist()
    ([0, 1, 2, 3], [0, 0, 1, 1])
    """
    ranks = np.arange(instance.num_ranks)
    if spare == "rank":
        return ranks
    return ranks // (instance.num_ranks // instance.num_nodes)


def require_spare(instance: Instance, spare: str) -> None:
    """Raise unless the instance has a map in which any one rank (node) may fail (``models/README.md``, SP1).

    Parameters
    ----------
    instance : Instance
    spare : {"rank", "node"}

    Raises
    ------
    OptionError
        ``spare`` is none of these.
    InstanceError
        No map of the instance has that; the message says why, and what would.

    Examples
    --------
    >>> require_spare(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "rank")
    Traceback (most recent call last):
    eplb_opt.errors.InstanceError: spare='rank' with num_replicas=4 for 3 experts: every expert needs 2, use at least 6
    """
    if spare not in SPARE:
        raise OptionError(f"spare={shown(spare)}: choose one of {', '.join(SPARE)}")
    instance.require_alike("spare")
    if spare == "node":
        _require_nodes(instance)
    elif instance.ranks_per_pool == 1:
        where = "on every node" if instance.hierarchical else "in all"
        raise InstanceError(
            f"spare='rank' with one rank {where}: its experts are lost with it, use at least 2"
        )
    least = COPIES * instance.num_experts
    if instance.num_replicas < least:
        enough = -(-least // instance.num_ranks) * instance.num_ranks
        raise InstanceError(
            f"spare={spare!r} with num_replicas={instance.num_replicas} for {instance.num_experts} experts: "
            f"every expert needs {COPIES}, use at least {enough}"
        )


def _require_nodes(instance: Instance) -> None:
    """Raise `InstanceError` unless experts can be on several nodes."""
    nodes = instance.num_nodes
    if nodes == 1:
        raise InstanceError(
            "spare='node' with num_nodes=1: all is lost with the only node, use at least 2 or spare='rank'"
        )
    if instance.hierarchical:
        raise InstanceError(
            f"spare='node' with num_groups={instance.num_groups} on num_nodes={nodes} (hierarchical mode): whole "
            "groups are on one node and lost with it, use spare='rank', or num_groups=1 for the global mode"
        )
    if instance.num_ranks % nodes:
        raise InstanceError(
            f"spare='node' with num_ranks={instance.num_ranks} on num_nodes={nodes}: no node has a whole number of "
            "ranks, use a multiple"
        )


def spare_faults(placement: Placement, instance: Instance, spare: str) -> list[str]:
    """Experts that are lost where one rank (node) fails, one line each; empty if none is.

    Parameters
    ----------
    placement : Placement
        Valid for the instance.
    instance : Instance
    spare : {"rank", "node"}

    Examples
    --------
    >>> instance = Instance([[8, 3]], num_replicas=4, num_ranks=2)
    >>> spare_faults(Placement([[0, 1, 1, 0]], num_experts=2), instance, "rank")
    []
    >>> spare_faults(Placement([[0, 0, 1, 1]], num_experts=2), instance, "rank")
    ['layer 0: expert 0 is on rank 0 only', 'layer 0: expert 1 is on rank 1 only']
    """
    held = held_by_units(placement.phy2log, instance, spare)
    lost = np.argwhere(held.sum(axis=1) < COPIES)
    ids = placement.layer_ids or ()
    return [
        f"layer {ids[layer]}: expert {expert} is on {spare} {held[layer, :, expert].argmax()} only"
        for layer, expert in lost
    ]


def held_by_units(rows: Ints, instance: Instance, spare: str) -> Ints:
    """Whether a unit holds an expert, [layers, units, experts] of bool, of valid maps [layers, replicas]."""
    units = units_of(instance, spare)
    of_slots = np.repeat(units, instance.slots_per_rank)
    shape = (len(rows), int(units.max()) + 1, instance.num_experts)
    held = np.zeros(shape, dtype=np.bool_)
    held[np.arange(len(rows))[:, None], of_slots, rows] = True
    return np.asarray(held)
